"""A live wattmeter from the file that describes it.

The file is YAML: `meter` names a module of this package, the rest is what its class `Meter` takes.

```yaml
meter: shelly
url: http://shelly.local
```

It may hold an address and a password, so a study names the file only, and nothing of its content
gets into a record, a notebook or a log.
"""

import importlib
import inspect
import pkgutil
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import yaml

from lib.instruments import WATTMETER_NAME, wattmeters
from lib.instruments.wattmeters import polling
from lib.instruments.wattmeters.polling import MeterLog


def open_meter(path: Path) -> polling.Meter:
    """The wattmeter that a file describes; it is not asked yet.

    Raises:
        ValueError: If the file describes none; says what would, and repeats no value from it.
    """
    try:
        said = yaml.safe_load(path.expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{path.name}: can't be read: {error.strerror}") from None
    except (UnicodeDecodeError, yaml.YAMLError):
        raise ValueError(f"{path.name}: is not valid YAML") from None
    known = _meters()
    if not isinstance(said, dict) or str(said.get("meter")) not in known:
        raise ValueError(f"{path.name}: needs a line `meter:` with one of {', '.join(known)}")
    kind = known[said.pop("meter")]
    settings = {str(name): value for name, value in said.items()}
    signature = inspect.signature(kind)
    try:
        signature.bind(**settings)
    except TypeError as error:
        allowed = ", ".join(signature.parameters)
        raise ValueError(f"{path.name}: {error}; {kind.name} takes {allowed}") from None
    try:
        meter = kind(**settings)
        if not meter.interval > 0:
            raise ValueError("interval: is to be more than 0 s")
    except (TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{path.name}: {error}") from None
    return meter


def logging(description: str | None, folder: Path) -> AbstractContextManager[MeterLog | None]:
    """Ask the wattmeter of a description's file during a `with`, and note its samples in a folder.

    Raises:
        ValueError: If the file describes no wattmeter.
    """
    if description is None:
        return nullcontext()
    return polling.logging(open_meter(Path(description)), folder / WATTMETER_NAME)


def _meters() -> dict[str, type[polling.Meter]]:
    found = {}
    for name in sorted(module.name for module in pkgutil.iter_modules(wattmeters.__path__)):
        module = importlib.import_module(f"{__package__}.{name}")
        kind = vars(module).get("Meter", object)
        if issubclass(kind, polling.Meter) and not inspect.isabstract(kind):
            found[name] = kind
    return found
