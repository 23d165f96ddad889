-- SPDX-FileCopyrightText: ai_aas.inference contributors
-- SPDX-License-Identifier: GPL-3.0-or-later
-- The table as the ai-aas migrations leave it: no integer id, a revision without default, foreign keys, no trigger.
CREATE TABLE organizations (
    organization_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL
);

CREATE TABLE model_registry_entries (
    model_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    organization_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000'::uuid
        REFERENCES organizations (organization_id) ON DELETE SET DEFAULT,
    model_name text NOT NULL,
    revision int NOT NULL,
    deployment_target text NOT NULL CHECK (deployment_target IN ('managed', 'self_hosted')),
    cost_per_1k_tokens numeric(10, 4) NOT NULL DEFAULT 0,
    metadata jsonb NOT NULL DEFAULT '{}'::jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    deployment_endpoint text,
    deployment_status text CONSTRAINT chk_deployment_status
        CHECK (deployment_status IN ('pending', 'deploying', 'ready', 'degraded', 'failed', 'disabled')),
    deployment_environment text CONSTRAINT chk_deployment_environment
        CHECK (deployment_environment IN ('development', 'staging', 'production')),
    deployment_namespace text,
    last_health_check_at timestamptz,
    CONSTRAINT model_registry_entries_unique_revision UNIQUE (organization_id, model_name, revision),
    CONSTRAINT model_registry_entries_unique_deployment UNIQUE (model_name, deployment_environment)
);

CREATE TABLE usage_events (
    event_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    model_id uuid NOT NULL REFERENCES model_registry_entries (model_id) ON DELETE RESTRICT
);

-- Its migrations leave this to whoever sets the system up.
INSERT INTO organizations VALUES ('00000000-0000-0000-0000-000000000000', 'default');
