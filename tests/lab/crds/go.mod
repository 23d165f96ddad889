// The custom resource definitions that the chart's optional parts need. Only the modules' files are read.
module github.com/ai-aas/inference/tests/lab/crds

go 1.26.0

require (
	github.com/kedacore/keda/v2 v2.21.0
	github.com/prometheus-operator/prometheus-operator v0.85.0
	sigs.k8s.io/gateway-api v1.6.3
)
