"""Where electricity comes from and what a kilowatt-hour of it emits.

Carbon intensities are CodeCarbon's own, read from its data files with their year. A place that
isn't known has no intensity: neither Canada's, which CodeCarbon falls back to when a lookup fails,
nor the world's average, which it takes for a country it doesn't know.
"""

import difflib
import functools
import importlib.util
import logging
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import PurePosixPath
from typing import Any

from lib.patching import replaced

PAPER_PLACES = ("USA/oregon", "USA/south carolina", "TWN", "FRA")
"""Where the paper trained: Kaggle's servers (Table 6), and the machine with the wattmeter."""

# What CodeCarbon 3.3.2 answers when a lookup failed (`GeoMetadata.from_geo_js`). It says so only in
# its log; the coordinates tell it from somebody who is in Quebec.
_LOOKUP_FAILED = ("CAN", 46.8, -71.2)


@dataclass(frozen=True)
class Location:
    """A place, and the carbon intensity of its electricity (g CO2-eq/kWh)."""

    country_iso_code: str | None = None  # ISO 3166-1 alpha-3
    country_name: str | None = None
    region: str | None = None  # as CodeCarbon spells it; None if the country's mix is used
    carbon_intensity: float | None = None
    source: str = "unknown"  # where the intensity comes from and how the place was found, in words
    year: int | None = None  # of the intensity
    notes: tuple[str, ...] = ()  # what makes it doubtful, one sentence each
    reason: str | None = None  # why the intensity is unknown

    @property
    def name(self) -> str:
        """For people: 'Oregon, United States'; 'unknown' where it is."""
        region = self.region.title() if self.region else None
        return ", ".join(part for part in (region, self.country_name) if part) or "unknown"

    def emissions(self, energy: float | None) -> float | None:
        """Emissions in kg CO2-eq of `energy` in kWh; None if that or the intensity is unknown."""
        if energy is None or self.carbon_intensity is None:
            return None
        return energy * self.carbon_intensity / 1000


def locate(text: str | None) -> Location:
    """Find the place that `location` of a run names; one that can't be found says why.

    It is 'USA/oregon', 'TWN', 'FRA' (ISO 3166-1 alpha-3, with a region if wanted, upper or lower
    case), 'auto' for one lookup over the network by IP address, or None.
    """
    if text is None or not text.strip():
        return Location(reason="no location is configured")
    if importlib.util.find_spec("codecarbon") is None:
        return Location(reason="CodeCarbon, which has the intensities, is not installed")
    if text.strip().lower() == "auto":
        return _look_up()
    country, _, region = (part.strip() for part in text.partition("/"))
    return _find(country.upper(), region.lower() or None, "configured")


@functools.cache
def _look_up() -> Location:
    from codecarbon.external.geography import GeoMetadata
    from codecarbon.input import DataSource

    # It would announce that it goes on with Canada.
    with replaced(logging.getLogger("codecarbon"), disabled=True):
        geo = GeoMetadata.from_geo_js(DataSource().geo_js_url)
    if (geo.country_iso_code, geo.latitude, geo.longitude) == _LOOKUP_FAILED:
        reason = "the lookup by IP address failed; set location to an ISO code such as FRA"
        return Location(reason=reason)
    note = "found by IP address, which may be that of a proxy"
    return _find(geo.country_iso_code, geo.region, "looked up by IP address", (note,))


def _find(country: str, region: str | None, how: str, notes: tuple[str, ...] = ()) -> Location:
    from codecarbon.core.emissions import Emissions
    from codecarbon.core.units import Energy
    from codecarbon.external.geography import GeoMetadata

    countries = _data().get_global_energy_mix_data()
    if country not in countries:
        return Location(reason=_unknown_country(country), notes=notes)
    mix = countries[country]
    known = _regions(country)
    if region and region not in known:
        notes = (*notes, _ignored(region, country, known))
        region = None
    what, year = known[region] if region else ("mix of the country", int(mix["year"]))
    geo = GeoMetadata(country_iso_code=country, region=region)
    kilograms = Emissions(_data()).get_private_infra_emissions(Energy.from_energy(kWh=1), geo)
    source = f"CodeCarbon {version('codecarbon')} data, {country} {what} {year}, {how}"
    name, grams = mix["country_name"], 1000 * kilograms
    return Location(country, name, region, grams, source, year, notes)


def _regions(country: str) -> dict[str, tuple[str, int]]:
    """Regions that CodeCarbon tells apart in a country: what their figure is, and its year."""
    data = _data()
    if country == "USA":
        states = data.get_country_emissions_data("usa")
        kind = "state emission rate (EPA eGRID)", int(states["_source"]["year"])
        return {name: kind for name in states if not name.startswith("_") and name != "usa"}
    if country == "CAN":
        year = int(PurePosixPath(data.config["can_energy_mix_data_path"]).parent.name)
        names = data.get_country_energy_mix_data("can")
        return dict.fromkeys(names, ("province energy mix", year))
    if country == "CHN":
        provinces = data.get_china_provincial_emissions_data()["data"].values()
        return {
            name: ("province factor (MEE/NBS, CO2 only)", int(province["year"]))
            for province in provinces
            for name in province["names"]
        }
    zones = data.get_nordic_country_energy_mix_data()["data"]
    return {
        name.lower(): ("bidding zone mix", int(zone["year"]))
        for name, zone in zones.items()
        if name[:2] == {"SWE": "SE", "NOR": "NO", "FIN": "FI"}.get(country)
    }


def _ignored(region: str, country: str, known: dict[str, Any]) -> str:
    if not known:
        return (
            f"CodeCarbon has no regional data for {country}; region '{region}' is ignored, the "
            "country's mix is used"
        )
    close = difflib.get_close_matches(region, known, n=3, cutoff=0.5) or list(known)[:3]
    return (
        f"CodeCarbon has no region '{region}' in {country}; it is ignored, the country's mix is "
        f"used; there are for instance {', '.join(close)}"
    )


def _unknown_country(country: str) -> str:
    import pycountry

    try:
        suggestion = f"'{pycountry.countries.lookup(country).alpha_3}'?"
    except LookupError:
        suggestion = "an ISO 3166-1 alpha-3 code such as USA, TWN or FRA"
    return f"CodeCarbon has no data for country '{country}'; did you mean {suggestion}"


@functools.cache
def _data() -> Any:
    from codecarbon.input import DataSource

    return DataSource()
