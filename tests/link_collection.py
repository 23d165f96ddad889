# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Link this checkout into its virtual environment as the collection ai_aas.inference.

Ansible finds collections beside its own in site-packages, so no setting is needed to use the checkout.
mypy refuses to take site-packages as a source root, so it gets a tree of its own that holds the link alone.
"""

from __future__ import annotations

import pathlib
import sys
import sysconfig

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent


def main() -> None:
    for root in (pathlib.Path(sysconfig.get_path("purelib")), pathlib.Path(sys.prefix, "collections")):
        link = root / "ansible_collections" / "ai_aas" / "inference"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(CHECKOUT)


if __name__ == "__main__":
    main()
