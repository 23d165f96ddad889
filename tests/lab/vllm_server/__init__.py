# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for vLLM 0.32's OpenAI server: the same arguments, routes, bodies, metrics and ways to fail, no model.

Run it as `python -m tests.lab.vllm_server MODEL [arguments of vllm serve]`. It reads these of its own:

    LAB_VLLM_LOAD_SECONDS    time until it listens (2.0); the port is bound but refuses until then
    LAB_VLLM_TOKEN_SECONDS   time for one token (0.005)
    LAB_VLLM_FAULT           a name in faults.FAULTS, in force from the start
    POST /_lab/fault         {"fault": name or null}: the same at run time; GET tells which one is in force
"""
