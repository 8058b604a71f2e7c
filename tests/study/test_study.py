import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lib.study import catalog
from lib.study.config import RunConfig
from lib.study.errors import StudyError
from lib.study.study import Study, check_presence, load_study, select

PARAMS = Path(__file__).resolve().parents[2] / "params"


def write(tmp_path, **content):
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump({"title": "a study", **content}))
    return path


def problems(tmp_path, overrides=None, **content):
    with pytest.raises(StudyError) as caught:
        check_presence(load_study(write(tmp_path, **content), overrides).runs("study", tmp_path))
    return caught.value.problems


@pytest.mark.parametrize("path", sorted(PARAMS.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_studies_are_valid(path, tmp_path):
    assert load_study(path).runs(path.stem, tmp_path)


def test_the_papers_study_is_the_papers_design(tmp_path):
    runs = load_study(PARAMS / "paper.yaml").runs("paper", tmp_path)
    cells = {(run.architecture, run.dataset, run.repetition) for run in runs}
    assert len(runs) == len(cells) == 3 * 2 * 3
    assert {(r.weights, r.trainable, r.head, r.epochs, r.batch_size) for r in runs} == {
        ("imagenet", "head", "paper", 50, 32)
    }
    as_run = load_study(PARAMS / "paper_as_run.yaml").runs("paper_as_run", tmp_path)
    differing = {
        name
        for name in RunConfig.model_fields
        if {getattr(run, name) for run in runs} != {getattr(run, name) for run in as_run}
    }
    assert differing == {"preprocessing", "grey_to_rgb", "output_dir"}


def test_repetitions_are_independent_and_architectures_are_blocked(tmp_path):
    factors = {"architecture": ["VGG16", "VGG19"]}
    runs = load_study(write(tmp_path, factors=factors, repetitions=3)).runs("s", tmp_path)
    seeds = {(run.architecture, run.repetition): run.seed for run in runs}
    assert len({seeds["VGG16", r] for r in (1, 2, 3)}) == 3
    assert all(seeds["VGG16", r] == seeds["VGG19", r] for r in (1, 2, 3))
    assert len({run.run_id for run in runs}) == 6


def test_order_is_shuffled_by_the_studys_seed(tmp_path):
    def order(**order):
        path = write(tmp_path, factors={"epochs": list(range(1, 30))}, order=order)
        return [run.epochs for run in load_study(path).runs("s", tmp_path)]

    assert order(shuffle=False) == list(range(1, 30))
    assert order(seed=1) == order(seed=1) != order(seed=2)
    assert sorted(order(seed=1)) == order(shuffle=False)


def test_a_repetition_is_over_before_the_next_and_stays_as_it_is_when_others_follow(tmp_path):
    study = load_study(write(tmp_path, factors={"epochs": list(range(1, 9))}, repetitions=3))
    runs = study.runs("s", tmp_path)
    assert [run.repetition for run in runs] == [1] * 8 + [2] * 8 + [3] * 8
    orders = [tuple(run.epochs for run in runs[n : n + 8]) for n in (0, 8, 16)]
    assert len(set(orders)) == 3
    assert study.runs("s", tmp_path, 4)[:24] == runs


def test_a_seed_does_not_vary_beside_repetitions(tmp_path):
    with pytest.raises(StudyError, match="factors: 'seed' varies"):
        load_study(write(tmp_path, factors={"seed": [1, 2]}, repetitions=3)).runs("s", tmp_path)
    runs = load_study(write(tmp_path, factors={"seed": [1, 2]})).runs("s", tmp_path)
    assert sorted(run.seed for run in runs) == [1, 2]


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"repetitions": {"precision": "0 %"}}, "repetitions.precision: '0 %'"),
        ({"repetitions": {"precision": "five"}}, "repetitions.precision: 'five'"),
        ({"repetitions": {"precision": 0.1, "at_most": 2}}, "at_least is more than at_most"),
        ({"repetitions": {"precise": 0.1}}, "unknown field; allowed are at_least, at_most"),
        ({"repetitions": 0}, "repetitions: 0: Input should be greater than or equal to 1"),
        ({"margin": "500 %"}, "margin: '500 %'"),
    ],
)
def test_bad_designs_are_refused_in_a_sentence(tmp_path, said, problem):
    with pytest.raises(StudyError, match=problem.replace("(", r"\(")):
        load_study(write(tmp_path, factors={"epochs": [1, 2]}, **said))


def test_what_is_compared(tmp_path):
    factors = {"architecture": ["VGG16"], "batch_size": [1, 2], "epochs": [1, 2]}

    def compared(**said):
        study = load_study(write(tmp_path, factors=factors, **said))
        study.runs("s", tmp_path)
        return study.compared

    assert compared() == "batch_size"
    assert compared(compare="epochs") == "epochs"
    assert compared(variants=[{}, {"head": "linear"}]) == "variant"
    with pytest.raises(StudyError, match="compare: 'backend' is no factor of this study"):
        compared(compare="backend")


def test_a_rule_for_repetitions_survives_the_study_file(tmp_path):
    rule = {"precision": "5 %", "at_most": 12}
    study = load_study(write(tmp_path, factors={"epochs": [1, 2]}, repetitions=rule, margin="2 %"))
    assert (study.repetitions.precision, study.repetitions.at_least, study.margin) == (
        0.05,
        3,
        0.02,
    )
    again = tmp_path / "again.yaml"
    again.write_text(study.as_yaml())
    assert load_study(again) == study


def test_exclude_leaves_out_partial_matches(tmp_path):
    factors = {"architecture": ["VGG16", "VGG19"], "epochs": [1, 2]}
    path = write(tmp_path, factors=factors, exclude=[{"architecture": "VGG19", "epochs": 2}])
    cells = {(r.architecture, r.epochs) for r in load_study(path).runs("s", tmp_path)}
    assert cells == {("VGG16", 1), ("VGG16", 2), ("VGG19", 1)}


def test_all_mistakes_are_named_at_once(tmp_path):
    found = "\n".join(
        problems(
            tmp_path,
            factors={"architecture": ["VGG16", "VGG17"]},
            defaults={"epochs": -1, "batch_size": "many", "weights": "nowhere.h5"},
        )
    )
    for word in ("VGG17", "ResNet50", "epochs", "-1", "batch_size", "'many'"):
        assert word in found


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"factors": {"architekture": ["VGG16"]}}, ["architekture", "architecture"]),
        ({"factors": {"epochs": []}}, ["factors.epochs"]),
        ({"factors": {"epochs": [1, 1]}}, ["epochs", "twice"]),
        ({"defaults": {"repetition": 2}}, ["repetition"]),
        ({"repetitions": 0}, ["repetitions", "0"]),
        ({"repetitions": True}, ["repetitions"]),
        ({"colour": "red"}, ["colour", "factors"]),
        ({"order": {"sead": 1}}, ["sead", "seed"]),
        ({"exclude": [{"epochs": 3}]}, ["epochs", "not a factor"]),
        ({"defaults": {"dataset": "cats"}}, ["cats", "digits", "data_dir"]),
        ({"defaults": {"dataset": "../etc"}}, ["dataset"]),
        ({"defaults": {"weights": "nowhere.h5"}}, ["nowhere.h5", "imagenet"]),
        ({"defaults": {"data_dir": "nowhere"}}, ["data_dir", "nowhere"]),
        ({"defaults": {"learning_rate": float("nan")}}, ["learning_rate"]),
        ({"defaults": {"architecture": "MobilNetV2"}}, ["did you mean MobileNetV2", "VGG19"]),
        # At their default sizes digits has 32 pixels a side and mnist 48.
        ({"defaults": {"architecture": "Xception"}}, ["Xception", "image_size to at least 71"]),
        (
            {"defaults": {"architecture": "InceptionV3", "dataset": "mnist"}},
            ["InceptionV3", "image_size to at least 75"],
        ),
        ({"defaults": {"architecture": "Xception", "image_size": 70}}, ["at least 71"]),
        (
            {"defaults": {"architecture": "NASNetMobile", "backend": "torch"}},
            ["no NASNetMobile on torch", "tensorflow or jax"],
        ),
    ],
)
def test_a_mistake_names_field_value_and_what_is_allowed(tmp_path, content, words):
    found = "\n".join(problems(tmp_path, **content))
    assert all(word in found for word in words), found


def test_the_smallest_image_that_an_architecture_takes_is_large_enough():
    assert RunConfig(architecture="Xception", image_size=71).image_size == 71


def test_images_of_a_file_need_a_size_that_the_architecture_takes(tmp_path):
    """How large they are is not known before they are read."""
    of_a_file = {"architecture": "Xception", "dataset": "cats", "data_dir": str(tmp_path)}
    with pytest.raises(ValueError, match="set image_size to at least 71"):
        RunConfig(**of_a_file)
    assert RunConfig(**of_a_file, image_size=96).image_size == 96


def test_a_mistake_in_every_run_is_said_once(tmp_path):
    factors = {"architecture": ["VGG16", "VGG19", "ResNet50"]}
    assert len(problems(tmp_path, factors=factors, defaults={"epochs": 0}, repetitions=5)) == 1


@pytest.mark.parametrize("text", ["", "- a list", "title: [", "title: 1\n\tx", "\x00"])
def test_what_is_no_study_is_refused(tmp_path, text):
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    with pytest.raises(StudyError, match=r"broken\.yaml"):
        load_study(path)


def test_a_missing_file_says_where_studies_are(tmp_path):
    with pytest.raises(StudyError, match="no such file"):
        load_study(tmp_path / "absent.yaml")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
        ),
    )
)
def test_whatever_a_study_holds_it_runs_or_says_why(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("wild")
    path = folder / "wild.yaml"
    path.write_text(yaml.safe_dump({"title": "wild", "factors": {"epochs": content}}))
    try:
        runs = load_study(path, {"batch_size": content}).runs("wild", folder)
    except StudyError:
        return
    assert runs


def test_overrides_reduce_factors_and_set_fields(tmp_path):
    path = write(tmp_path, factors={"epochs": [1, 2], "seed": [7]}, repetitions=3)
    runs = load_study(path, {"epochs": 5, "batch_size": 4, "repetitions": 2}).runs("s", tmp_path)
    assert {(r.epochs, r.batch_size, r.repetition) for r in runs} == {(5, 4, 1), (5, 4, 2)}


def test_a_changed_configuration_is_a_new_run_and_another_folder_is_not():
    run = RunConfig()
    assert run.run_id.startswith("VGG16-digits-r1-")
    assert RunConfig(epochs=3).run_id != run.run_id
    assert RunConfig(output_dir="elsewhere").run_id == run.run_id


def test_a_wattmeter_beside_the_machine_makes_no_new_run():
    assert RunConfig(meter="meter.yaml").run_id == RunConfig().run_id


def test_a_meter_without_its_description_is_named(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("title: x\ndefaults: {meter: nowhere.yaml}\n")
    runs = load_study(path).runs("study", tmp_path)
    with pytest.raises(StudyError, match=r"meter: no file 'nowhere\.yaml'"):
        check_presence(runs)


def test_the_home_folder_is_written_as_a_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    config = RunConfig(output_dir=str(tmp_path / "outputs"))
    assert config.output_dir == "~/outputs"
    assert config.run_dir.is_relative_to(tmp_path)


def test_select_keeps_what_matches_every_field(tmp_path):
    factors = {"architecture": ["VGG16", "VGG19"], "epochs": [1, 2, 3]}
    runs = load_study(write(tmp_path, factors=factors)).runs("s", tmp_path)
    kept = select(runs, {"architecture": ["VGG19"], "epochs": [1, 3]})
    assert {(run.architecture, run.epochs) for run in kept} == {("VGG19", 1), ("VGG19", 3)}


@pytest.mark.parametrize(
    ("only", "word"), [({"epoch": [1]}, "epochs"), ({"epochs": [9]}, "there are 1, 2")]
)
def test_select_says_what_there_is(tmp_path, only, word):
    runs = load_study(write(tmp_path, factors={"epochs": [1, 2]})).runs("s", tmp_path)
    with pytest.raises(StudyError, match=word):
        select(runs, only)


def test_each_architecture_may_have_weights_of_its_own(tmp_path):
    for name in ("VGG16", "VGG19"):
        (tmp_path / f"{name}.weights.h5").touch()
    factors = {"architecture": ["VGG16", "VGG19"]}
    defaults = {"weights": str(tmp_path / "{architecture}.weights.h5")}
    runs = load_study(write(tmp_path, factors=factors, defaults=defaults)).runs("s", tmp_path)
    assert {run.weights.split("/")[-1] for run in runs} == {"VGG16.weights.h5", "VGG19.weights.h5"}
    absent = {"factors": {"architecture": ["ResNet50"]}, "defaults": defaults}
    assert "ResNet50.weights.h5" in problems(tmp_path, **absent)[0]


def test_variants_change_some_fields_together_and_are_crossed_with_factors():
    study = Study(
        title="One change at a time",
        factors={"dataset": ["digits", "mnist"]},
        variants=[{}, {"features": "cached"}, {"features": "cached", "head": "linear"}],
        order={"shuffle": False},
    )
    runs = study.runs("s", Path("outputs"))
    assert [(run.dataset, run.features, run.head) for run in runs] == [
        ("digits", "online", "paper"),
        ("digits", "cached", "paper"),
        ("digits", "cached", "linear"),
        ("mnist", "online", "paper"),
        ("mnist", "cached", "paper"),
        ("mnist", "cached", "linear"),
    ]


@pytest.mark.parametrize(
    ("variants", "said"),
    [
        ([{}, {"hed": "linear"}], "variants.2: unknown field 'hed'"),
        ([{"dataset": "mnist"}], "variants.1: 'dataset' is a factor too"),
        ([{}, {"head": "paper"}], "variants: two of them are the same run"),
        ([{"features": "cached", "trainable": "all"}], "a base that learns can't be cached"),
    ],
)
def test_a_wrong_variant_is_named(variants, said):
    study = Study(title="x", factors={"dataset": ["digits"]}, variants=variants)
    with pytest.raises(StudyError, match=re.escape(said)):
        study.runs("s", Path("outputs"))


def test_the_command_line_takes_a_field_out_of_the_variants(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text("title: x\nvariants: [{}, {head: linear}, {head: linear, features: cached}]")
    study = load_study(path, {"head": "linear"})
    assert study.variants == [{}, {"features": "cached"}]
    assert {run.head for run in study.runs("s", Path("outputs"))} == {"linear"}


def test_a_backend_that_is_not_installed_is_named_before_anything_runs(monkeypatch):
    monkeypatch.setattr(catalog, "backend_installed", lambda name: name != "jax")
    study = Study(title="x", factors={"backend": ["tensorflow", "jax"]})
    runs = study.runs("s", Path("outputs"))
    with pytest.raises(StudyError, match="backend: jax is not installed; pip install"):
        check_presence(runs)
    check_presence(select(runs, {"backend": ["tensorflow"]}))


@pytest.mark.parametrize("name", ["..yaml", "...yaml", "published.yaml"])
def test_a_file_that_can_not_name_a_folder_is_refused(tmp_path, name):
    (tmp_path / name).write_text("factors: {architecture: [VGG16]}")
    with pytest.raises(StudyError, match="can't be its name"):
        load_study(tmp_path / name)


def test_what_was_run_does_not_name_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / "s.yaml"
    path.write_text(
        f"title: t\ndefaults: {{data_dir: {tmp_path}/images}}\nfactors: {{dataset: [mnist]}}"
    )
    said = load_study(path).as_yaml()
    assert str(tmp_path) not in said
    assert yaml.safe_load(said)["defaults"]["data_dir"] == "~/images"
    path.write_text(path.read_text().replace("/images", ""))
    assert yaml.safe_load(load_study(path).as_yaml())["defaults"]["data_dir"] == "~"


def test_a_list_as_a_choice_is_refused_in_words():
    with pytest.raises(StudyError, match="no run has architecture"):
        select([RunConfig()], {"architecture": [["VGG16"]]})


def test_a_wattmeter_makes_no_other_run():
    assert RunConfig(meter="meter.yaml").run_id == RunConfig().run_id


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("title: t\nrepetitions: 2\nfactors: {dataset: [mnist]}\nrepetitions: 3\n", "2 and 4"),
        ("title: t\nfactors:\n  dataset: [mnist]\n  dataset: [cifar10]\n", "3 and 4"),
    ],
)
def test_a_key_that_stands_twice_is_an_error(tmp_path, text, lines):
    (tmp_path / "s.yaml").write_text(text)
    with pytest.raises(StudyError, match=f"appears twice, in lines {lines}"):
        load_study(tmp_path / "s.yaml")


def test_a_number_that_yaml_takes_for_text_selects_too():
    runs = [RunConfig(learning_rate=1e-3), RunConfig(learning_rate=1e-4)]
    assert select(runs, {"learning_rate": ["1e-3"]}) == runs[:1]
    with pytest.raises(StudyError, match=r"no run has learning_rate=0\.01"):
        select(runs, {"learning_rate": ["1e-2"]})


@pytest.mark.parametrize(
    "content", [{"factors": {"location": ["FRA", "TWN"]}}, {"variants": [{}, {"meter": "m.yaml"}]}]
)
def test_a_place_makes_no_other_runs(content):
    with pytest.raises(StudyError, match="says where runs are measured and makes no other runs"):
        Study(title="s", **content).runs("s", Path("outputs"))
