# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Download one revision of a model into a folder that appears only when it is complete."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path


def download(repository: str, revision: str, folder: Path, exclude: list[str]) -> str:
    """Return what was done. What the hub's library raises is passed on."""
    if folder.is_dir():
        return f"{folder} is there already"
    from huggingface_hub import snapshot_download

    # Beside the folder, so that the rename stays within one file system. A later attempt goes on with its files.
    partial = folder.with_name(f".{folder.name}.partial")
    partial.mkdir(parents=True, exist_ok=True)
    snapshot_download(repo_id=repository, revision=revision, local_dir=partial, ignore_patterns=exclude)
    shutil.rmtree(partial / ".cache", ignore_errors=True)
    os.sync()
    try:
        partial.rename(folder)
    except OSError:
        if not folder.is_dir():  # else another Job was first
            raise
    return f"{folder} is complete"


if __name__ == "__main__":
    given = sys.argv[1:]
    try:
        print(download(given[0], given[1], Path(given[2]), json.loads(given[3])))
    except Exception as error:
        sys.exit(f"{given[0]} at {given[1]} cannot be downloaded: {type(error).__name__}: {error}")
