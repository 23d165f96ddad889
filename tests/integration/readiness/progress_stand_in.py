# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module that stands in for vllm_ready: it says what it is told to, and ends as it is told to."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule

ARGUMENTS: dict[str, Any] = {
    "lines": {"type": "list", "elements": "str", "default": []},
    "progress": {"type": "bool", "default": True},
    "progress_file": {"type": "path"},
    # Exists once the module runs; it waits until the other one exists.
    "begun": {"type": "path"},
    "until": {"type": "path"},
    "ending": {"type": "str", "choices": ["well", "failed", "killed", "stubborn", "heedful"], "default": "well"},
}
# So that nothing is left if a test is ended by force.
MOST_SECONDS = 120


def begin(params: dict[str, Any]) -> None:
    """Do what a module can do that makes it hard to end, and leave what it can leave."""
    if params["ending"] == "stubborn":
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
    for line in params["lines"] if params["progress_file"] else ():
        with open(params["progress_file"], "a", encoding="utf-8") as file:
            file.write(f"{line}\n")
    if params["begun"]:
        os.close(tempfile.mkstemp()[0])
        with open(f"{params['begun']}.{os.getpid()}", "x", encoding="utf-8"):
            pass


def wait(params: dict[str, Any]) -> None:
    """Wait until a file exists; a heedful module also ends when the file of its lines is gone."""
    end = time.monotonic() + MOST_SECONDS
    while params["until"] and not os.path.exists(params["until"]) and time.monotonic() < end:
        time.sleep(0.05)
        if params["ending"] == "heedful" and not os.path.exists(params["progress_file"]):
            os._exit(1)


def main() -> None:
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    begin(module.params)
    wait(module.params)
    if module.params["ending"] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if module.params["ending"] == "failed":
        module.fail_json(msg="told to fail")
    module.exit_json(changed=False, check_mode=module.check_mode, followed=bool(module.params["progress_file"]))


if __name__ == "__main__":
    main()
