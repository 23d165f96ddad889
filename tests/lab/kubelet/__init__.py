# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kubelet of the lab's fake nodes: it runs pods as processes of this machine, and reports as a kubelet does.

Run it as `python -m tests.lab.kubelet --kubeconfig FILE --state-dir DIR`. Nodes are its own when they carry the
annotation `kwok.x-k8s.io/node: fake`; one with the label `lab-lost` is unreachable: its
pods run on, but nothing is written for them and it hears of no change.

What becomes of a container (commands.py):
- It is vLLM if a word of its command or arguments is the program `vllm` or a module `vllm.…`, also inside a
  `sh -c` script, or if its image's name contains "vllm" and it has no command of its own. It gets a process of the
  stand-in server (or of LAB_VLLM_COMMAND) with its own arguments, on a free port of 127.0.0.1.
- In a pod with restartPolicy Never or OnFailure, and as an init container, a command that this machine has is really
  run, if nothing but a service account token is mounted into it. In its words `SERVICE.NAMESPACE.svc:PORT` becomes
  where a ready pod of the Service really is. One that cannot be run ends well at once.
- Any other container is running and ready, without a process and without probes.

Probes and hooks of a process are its own. An exec probe or hook runs on this machine, with `localhost:PORT`,
`127.0.0.1:PORT` and `POD_IP:PORT` replaced by where the pod's port really is. Who kills a process with SIGKILL from
outside plays the kernel: it counts as OOMKilled.

Images (images.py): a name with `:missing` is not found, one with `private` needs an imagePullSecret, those of
`registry.invalid` cannot be reached; with imagePullPolicy Never all three are ErrImageNeverPull.

Environment: LAB_PULL_SECONDS (0.1) for each pull, LAB_BACKOFF_SECONDS (1) as the first back-off, doubling up to 30
times that, LAB_VLLM_COMMAND, and each LAB_VLLM_… handed to the stand-ins unless the pod sets it itself.
"""
