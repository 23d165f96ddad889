# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The long proofs in full: every property-based test with thousands of examples, and deploys that are killed a hundred
times, from a seed that is printed.

`make test` runs the same tests as a sample. The last result is kept in tests/soak.json. SOAK_SEED repeats a run,
SOAK_EXAMPLES says how many examples each test tries, and SOAK_KILLS how often a deploy is killed.
"""

from __future__ import annotations

import datetime
import json
import os
import secrets
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
EXAMPLES = "5000"
# Half of them beside the old pod, half in its place.
KILLS = "100"


def main() -> int:
    seed = os.environ.get("SOAK_SEED") or str(secrets.randbelow(2**32))
    examples = os.environ.get("SOAK_EXAMPLES", EXAMPLES)
    kills = os.environ.get("SOAK_KILLS", KILLS)
    print(f"Soak with SOAK_SEED={seed} SOAK_EXAMPLES={examples} SOAK_KILLS={kills}", flush=True)
    begin = time.monotonic()
    code = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/unit", "-q", f"--hypothesis-seed={seed}"],
        cwd=HERE.parent,
        env={**os.environ, "HYPOTHESIS_PROFILE": "soak", "SOAK_EXAMPLES": examples},
        check=False,
    ).returncode
    killed = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/integration/main_path/test_kills.py", "-q"],
        cwd=HERE.parent,
        env={**os.environ, "KILLS": str(int(kills) // 2), "KILLS_SEED": seed},
        check=False,
    ).returncode
    code = code or killed
    result = {
        "seed": int(seed),
        "examples": int(examples),
        "kills": int(kills),
        "passed": code == 0,
        "seconds": round(time.monotonic() - begin),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }
    (HERE / "soak.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"Soak {'passed' if code == 0 else 'FAILED'} after {result['seconds']} s with SOAK_SEED={seed}")
    return code


if __name__ == "__main__":
    sys.exit(main())
