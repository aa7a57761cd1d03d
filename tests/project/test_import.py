import subprocess
import sys
import time

HEAVY = ("arviz_base", "arviz_plots", "arviz_stats", "beartype", "jaxtyping", "matplotlib", "pandas", "scipy", "xarray")
SECONDS = 5.0  # ten times what it takes; what matters is the list above


def test_import_is_fast_and_brings_in_nothing_heavy():
    code = f"import sys, genmlx; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    start = time.perf_counter()
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - start
    print(f"python -c 'import genmlx': {seconds:.2f} s")
    assert answer.stdout.split() == []
    assert seconds < SECONDS
