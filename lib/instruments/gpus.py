"""Which GPUs a run may use, and so which are counted: those that `CUDA_VISIBLE_DEVICES` shows."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

MEGABYTE = 1e6


@dataclass(frozen=True)
class Gpu:
    """One GPU by its NVML index (CUDA counts only the visible ones, and may order otherwise)."""

    index: int
    uuid: str
    name: str
    handle: Any = field(repr=False, compare=False)


@dataclass(frozen=True)
class Gpus:
    """The GPUs that CUDA programs started now would see, in NVML's order, of those installed.

    `reason` says why none is selected, `doubts` what is unclear about the selection.
    """

    selected: tuple[Gpu, ...] = ()
    installed: int = 0
    reason: str | None = None
    doubts: tuple[str, ...] = ()

    @property
    def model(self) -> str:
        """Names with their numbers, as CodeCarbon writes them: '2 x NVIDIA A100-SXM4-40GB'."""
        names = [gpu.name for gpu in self.selected]
        return ", ".join(f"{names.count(name)} x {name}" for name in dict.fromkeys(names))

    def sample(self) -> dict[str, float | None]:
        """Utilisation, temperature and memory now, as `trace.Sample` names them."""
        if not self.selected:
            return {}
        import pynvml

        def read(query: Any) -> list[float]:
            try:
                return [float(query(gpu.handle)) for gpu in self.selected]
            except pynvml.NVMLError:
                return []

        sensor = pynvml.NVML_TEMPERATURE_GPU
        utilization = read(lambda h: pynvml.nvmlDeviceGetUtilizationRates(h).gpu)
        temperature = read(lambda h: pynvml.nvmlDeviceGetTemperature(h, sensor))
        memory = read(lambda h: pynvml.nvmlDeviceGetMemoryInfo(h).used)
        return {
            "gpu_utilization_percent": sum(utilization) / len(utilization) if utilization else None,
            "gpu_temperature": max(temperature, default=None),
            "gpu_memory": sum(memory) / MEGABYTE if memory else None,
        }


def visible_gpus() -> Gpus:
    """Find the GPUs that `CUDA_VISIBLE_DEVICES` leaves visible; none is not an error."""
    try:
        import pynvml
    except ModuleNotFoundError:
        return Gpus(reason="NVML can't be asked: nvidia-ml-py is not installed")

    try:
        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        found = tuple(
            Gpu(i, _text(pynvml.nvmlDeviceGetUUID(h)), _text(pynvml.nvmlDeviceGetName(h)), h)
            for i, h in enumerate(handles)
        )
    except pynvml.NVMLError as error:
        return Gpus(reason=f"NVML finds no NVIDIA GPU ({error})")
    if not found:
        return Gpus(reason="NVML finds no NVIDIA GPU")
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    indices, problem = select([gpu.uuid for gpu in found], visible)
    if not indices:
        return Gpus(installed=len(found), reason=problem)
    selected = tuple(found[i] for i in indices)
    doubts = [problem] if problem else []
    if len(selected) > 1:
        doubts.append(
            f"the energy of {len(selected)} GPUs is counted, though a model trains on one unless "
            "it is distributed; CUDA_VISIBLE_DEVICES names the one to use and to count"
        )
    by_index = visible is not None and any(entry.strip().isdigit() for entry in visible.split(","))
    mixed = len({gpu.name for gpu in found}) > 1
    if by_index and mixed and os.environ.get("CUDA_DEVICE_ORDER") != "PCI_BUS_ID":
        doubts.append(
            "the machine has GPUs of several models, which CUDA numbers otherwise than NVML: "
            "set CUDA_DEVICE_ORDER=PCI_BUS_ID or name GPUs by their UUID"
        )
    return Gpus(selected, len(found), doubts=tuple(doubts))


def select(uuids: Sequence[str], visible: str | None) -> tuple[list[int], str | None]:
    """Read `CUDA_VISIBLE_DEVICES` as CUDA does: indices or beginnings of UUIDs, up to a wrong one.

    As indices in ascending order, and what is to be said about entries that select nothing.
    """
    if visible is None:
        return list(range(len(uuids))), None
    chosen: set[int] = set()
    for entry in (part.strip() for part in visible.split(",")):
        if entry.startswith("MIG-"):
            problem = f"names the MIG slice '{entry}'; NVML counts the energy of whole GPUs only"
            return sorted(chosen), f"CUDA_VISIBLE_DEVICES {problem}"
        if entry.isdigit():
            matches = [int(entry)] if int(entry) < len(uuids) else []
        else:
            matches = [i for i, uuid in enumerate(uuids) if entry and uuid.startswith(entry)]
        if entry in ("", "-1") and not chosen:
            return [], "CUDA_VISIBLE_DEVICES hides all GPUs"
        if len(matches) != 1:
            problem = f"'{entry}' is none of the {len(uuids)} GPUs"
            ignored = "CUDA ignores it and what follows it"
            return sorted(chosen), f"CUDA_VISIBLE_DEVICES: {problem}; {ignored}"
        chosen.add(matches[0])
    return sorted(chosen), None


def _text(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
