import json
import logging
from importlib.resources import files

import pytest

from lib.instruments import carbon
from lib.instruments.carbon import PAPER_PLACES, Location, locate


@pytest.mark.parametrize(
    ("text", "country", "region", "intensity", "year"),
    [
        # 364.963 lb/MWh and 560.363 lb/MWh in EPA's eGRID2023, 0.45359237 kg a pound
        ("USA/oregon", "USA", "oregon", 165.5445, 2023),
        ("usa / South Carolina", "USA", "south carolina", 254.1764, 2023),
        ("TWN", "TWN", None, 642.378, 2023),
        ("fra", "FRA", None, 56.039, 2023),
        ("USA", "USA", None, 369.473, 2023),
        ("CHN/beijing", "CHN", "beijing", 555.4, 2023),
        ("SWE/SE3", "SWE", "se3", 27.0, 2025),
        ("CAN/quebec", "CAN", "quebec", 3.9374, 2023),
    ],
)
def test_known_places(text, country, region, intensity, year):
    place = locate(text)
    assert (place.country_iso_code, place.region, place.year) == (country, region, year)
    assert place.carbon_intensity == pytest.approx(intensity, rel=1e-4)
    assert (place.notes, place.reason) == ((), None)
    assert place.source.startswith("CodeCarbon 3.3.2 data, ")
    assert place.source.endswith(f"{year}, configured")


@pytest.mark.parametrize(
    ("text", "intensity", "note"),
    [
        (
            "FRA/ile-de-france",
            56.039,
            "CodeCarbon has no regional data for FRA; region 'ile-de-france' is ignored, the "
            "country's mix is used",
        ),
        ("USA/oregano", 369.473, "no region 'oregano' in USA; it is ignored"),
        ("CHN/tibet", 582.317, "no region 'tibet' in CHN; it is ignored"),
        ("SWE/stockholm", 40.695, "no region 'stockholm' in SWE; it is ignored"),
    ],
)
def test_a_region_that_codecarbon_ignores_is_said_to_be_ignored(text, intensity, note):
    place = locate(text)
    assert place.carbon_intensity == pytest.approx(intensity)
    assert place.region is None
    assert note in place.notes[0]


def test_a_misspelt_region_gets_a_suggestion():
    assert "there are for instance oregon" in locate("USA/oregano").notes[0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "no location is configured"),
        ("  ", "no location is configured"),
        ("Taiwan", "no data for country 'TAIWAN'; did you mean 'TWN'?"),
        ("US/oregon", "did you mean 'USA'?"),
        ("XYZ", "an ISO 3166-1 alpha-3 code such as USA"),
        ("/oregon", "no data for country ''"),
    ],
)
def test_an_unknown_place_has_no_intensity_and_a_reason(text, reason):
    place = locate(text)
    assert place.carbon_intensity is None
    assert place.country_iso_code is None
    assert reason in place.reason
    assert place.emissions(1.0) is None
    assert place.name == "unknown"


def test_every_figure_of_codecarbons_data_is_what_codecarbon_uses():
    folder = files("codecarbon") / "data/private_infra"
    for code, mix in json.loads((folder / "global_energy_mix.json").read_text()).items():
        place = locate(code)
        assert place.carbon_intensity == pytest.approx(mix["carbon_intensity"])
        assert (place.year, place.country_name) == (mix["year"], mix["country_name"])
    states = json.loads((folder / "2023/usa_emissions.json").read_text())
    for state, data in states.items():
        if state[0] != "_" and state != "usa":
            expected = data["emissions"] * 0.45359237
            assert locate(f"USA/{state}").carbon_intensity == pytest.approx(expected, rel=1e-5)


def test_a_place_gives_codecarbon_the_same_emissions(caplog):
    from codecarbon.core.emissions import Emissions
    from codecarbon.core.units import Energy
    from codecarbon.external.geography import GeoMetadata
    from codecarbon.input import DataSource

    for text in (*PAPER_PLACES, "CAN/ontario", "NOR/no4", "CHN/hebei"):
        place = locate(text)
        geo = GeoMetadata(place.country_iso_code, region=place.region)
        kilograms = Emissions(DataSource()).get_private_infra_emissions(
            Energy.from_energy(kWh=3), geo
        )
        assert place.emissions(3) == pytest.approx(kilograms, rel=1e-9)


def test_emissions():
    place = Location(carbon_intensity=250.0)
    assert place.emissions(2.0) == 0.5
    assert place.emissions(0.0) == 0.0
    assert place.emissions(None) is None


class Answer:
    def __init__(self, content):
        self.content = content

    def json(self):
        return self.content


@pytest.fixture
def network(monkeypatch):
    """Answer lookups of CodeCarbon: with these contents in turn, or not at all."""
    asked = []
    carbon._look_up.cache_clear()

    def install(*contents):
        answers = iter(contents)

        def get(url, **_):
            asked.append(url)
            content = next(answers, None)
            if content is None:
                raise OSError("no network")
            return Answer(content)

        monkeypatch.setattr("codecarbon.external.geography.requests.get", get)
        return asked

    yield install
    carbon._look_up.cache_clear()


def test_auto_asks_once(network):
    asked = network(
        {
            "country_code3": "USA",
            "country": "United States",
            "region": "Oregon",
            "latitude": "45.5",
            "longitude": "-122.7",
        }
    )
    place = locate("auto")
    assert (place.country_iso_code, place.region) == ("USA", "oregon")
    assert place.source.endswith("looked up by IP address")
    assert "may be that of a proxy" in place.notes[0]
    assert "45.5" not in repr(place)
    assert locate("auto") == place
    assert len(asked) == 1


def test_auto_says_that_a_region_is_ignored(network):
    network(None, {"country": "FR", "region": "Île-de-France", "loc": "48.85,2.35"})
    place = locate("Auto")
    assert place.country_iso_code == "FRA"
    assert "region 'île-de-france' is ignored" in place.notes[1]


def test_a_failed_lookup_is_unknown_and_not_canada(network, capfd):
    asked = network()
    place = locate("auto")
    assert place.carbon_intensity is None
    assert place.country_iso_code is None
    assert "lookup by IP address failed" in place.reason
    assert len(asked) == 2
    assert "Canada" not in "".join(capfd.readouterr())
    assert not logging.getLogger("codecarbon").disabled


def test_somebody_in_quebec_is_in_quebec(network):
    network(
        {
            "country_code3": "CAN",
            "country": "Canada",
            "region": "Quebec",
            "latitude": "46.81",
            "longitude": "-71.21",
        }
    )
    assert locate("auto").region == "quebec"


def test_a_country_that_the_lookup_does_not_know(network):
    network(None, {"country": "??", "region": "nowhere", "loc": ""})
    assert locate("auto").carbon_intensity is None


def test_only_auto_asks(network):
    asked = network()
    for text in (None, "FRA", "USA/oregon", "XYZ"):
        locate(text)
    assert asked == []


def test_codecarbon_is_imported_only_when_it_is_needed():
    import subprocess
    import sys

    code = (
        "import sys; from lib.instruments.carbon import locate; locate(None);"
        "print([m for m in ('codecarbon', 'tensorflow', 'keras') if m in sys.modules])"
    )
    root = carbon.__file__.rsplit("/lib/", 1)[0]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
