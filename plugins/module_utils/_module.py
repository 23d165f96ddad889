# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The frame around every module: the only place that ends one, well or badly."""

from __future__ import annotations

import importlib.util
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError

# The name of a library's distribution where it differs from the name it is imported by.
DISTRIBUTIONS = {"psycopg2": "psycopg2-binary", "websocket": "websocket-client", "yaml": "PyYAML"}


def run_module(
    action: Callable[[AnsibleModule], dict[str, Any]], libraries: Sequence[str] = (), **module_arguments: Any
) -> None:
    """Run a module's action and end the process with its result.

    Args:
        action: reads `module.params`, does the work and returns the module's result. It raises
            InferenceError for what a user can mend. A key `warnings` holds texts to be shown as warnings.
        libraries: names of packages, as they are imported, that the action needs.
        module_arguments: as AnsibleModule takes them. Check mode is supported unless they say otherwise.
    """
    module = AnsibleModule(**{"supports_check_mode": True, **module_arguments})
    fail_on_missing(module, libraries)
    try:
        result, failure = action(module), ""
    except InferenceError as error:
        result, failure = error.result, error.message
    except ModuleNotFoundError as error:
        result, failure = {}, missing(str(error.name))
    except KeyboardInterrupt:
        result, failure = {}, "The module was told to end before its work was done."
    except Exception as error:
        result, failure = {}, defect(error)
    # Outside of `except`, since Ansible can be told to show the text of the error that is being handled.
    end(module, result, failure)


def end(module: AnsibleModule, result: dict[str, Any], failure: str) -> None:
    """End the module with its result, and with a failure's message if there is one."""
    rest = warn(module, result)
    if failure:
        module.fail_json(msg=failure, **rest)
    module.exit_json(**rest)


def defect(error: Exception) -> str:
    """The message about an unforeseen error. Its text can hold a secret, so only its kind and place are told."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"Unforeseen {type(error).__name__} at {place.filename}:{place.lineno}. "
        "This is a defect of ai_aas.inference: please report it with this line."
    )


def fail_on_missing(module: AnsibleModule, libraries: Sequence[str]) -> None:
    """End the module with an installation hint if one of its libraries is not there."""
    for name in libraries:
        if importlib.util.find_spec(name) is None:
            module.fail_json(msg=missing(name))


def missing(name: str) -> str:
    """The installation hint for a package that cannot be imported."""
    package = name.partition(".")[0]
    return str(missing_required_lib(DISTRIBUTIONS.get(package, package)))


def warn(module: AnsibleModule, result: dict[str, Any]) -> dict[str, Any]:
    """Show the result's warnings and return the rest of it."""
    for text in result.get("warnings", ()):
        module.warn(text)
    return {key: value for key, value in result.items() if key != "warnings"}
