"""Which number formats this CPU computes natively. In any other, a model is slower than in fp32, or wrong."""

from pathlib import Path

_NEEDS = {
    "bf16": {"avx512_bf16", "amx_bf16", "bf16"},
    "fp16": {"avx512_fp16", "amx_fp16", "asimdhp"},
    "int8": {"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"},
}
"""The names that Linux gives the instructions, of x86 and of Arm; any one of them will do."""


def native_formats(cpuinfo: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """Return fp32, and which of bf16, fp16 and int8. Where Linux does not tell, fp32 alone."""
    try:
        lines = cpuinfo.read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    flags = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    has = set(flags.partition(":")[2].split())
    return frozenset({"fp32"} | {name for name, any_of in _NEEDS.items() if has & any_of})
