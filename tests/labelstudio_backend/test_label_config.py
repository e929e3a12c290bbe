"""Labeling configs as people write them, and as people attack with them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from suggesting import EVERY_CONTROL, config, control

from labelstudio_backend.errors import LabelConfigError
from labelstudio_backend.label_config import Kind, Label, read_label_config


def labels_of(text: str, name: str = "poly") -> tuple[Label, ...]:
    found = read_label_config(text)
    return next(each.labels for each in found.controls if each.name == name)


def only_label(tag: str) -> Label:
    (label,) = labels_of(config(control("PolygonLabels", "poly", tag)))
    return label


def test_every_control_of_a_picture_is_found() -> None:
    found = read_label_config(EVERY_CONTROL)
    assert [(each.name, each.kind) for each in found.controls] == [
        ("quality", Kind.CHOICES),
        ("poly", Kind.POLYGON),
        ("brush", Kind.BRUSH),
        ("rect", Kind.RECTANGLE),
        ("kp", Kind.KEYPOINT),
    ]
    assert [(image.name, image.field) for image in found.images] == [("image", "image")]
    assert [prompt.name for prompt in found.prompts] == ["prompt"]
    assert found.warnings == ()


def test_words_come_from_both_attributes_and_keep_what_is_quoted() -> None:
    label = only_label(
        '<Label value="car" predicted_values="sedan, van" prompt="&quot;big, red&quot;; van"/>'
    )
    assert label.phrases == ("sedan", "van", "big, red")


def test_a_label_without_words_has_none_of_its_own() -> None:
    assert only_label('<Label value="car" hotkey="c" background="#ff0000"/>').phrases == ()


def test_an_alias_stands_in_results_and_the_value_is_what_is_read() -> None:
    label = only_label('<Label value="red car" alias="c1"/>')
    assert (label.value, label.name) == ("c1", "red car")


def test_a_colour_makes_no_label_negative() -> None:
    assert not only_label('<Label value="car" background="black"/>').negative
    assert only_label('<Label value="glass" negative="true"/>').negative


def test_a_threshold_of_the_control_is_kept_apart_from_those_of_labels() -> None:
    tag = control(
        "PolygonLabels",
        "poly",
        '<Label value="a" threshold="0.25"/>',
        "b",
        attributes='model_score_threshold="0.5"',
    )
    (found,) = read_label_config(config(tag)).controls
    assert found.threshold == 0.5
    assert [label.threshold for label in found.labels] == [0.25, None]


def test_tags_and_attributes_are_read_in_any_case() -> None:
    text = (
        '<view><IMAGE NAME="i" VALUE="$pic"/><polygonlabels Name="p" toname="i">'
        '<label Value="x"/></polygonlabels></view>'
    )
    (found,) = read_label_config(text).controls
    assert (found.kind, found.image, found.labels[0].value) == (Kind.POLYGON, "i", "x")


def test_each_control_belongs_to_its_own_picture() -> None:
    text = config(
        '<PolygonLabels name="a" toName="left"><Label value="x"/></PolygonLabels>',
        '<BrushLabels name="b" toName="right"><Label value="y"/></BrushLabels>',
        image='<Image name="left" value="$one"/><Image name="right" value="$two"/>'
        '<Image name="unused" value="$three"/>',
    )
    found = read_label_config(text)
    assert [image.name for image in found.images] == ["left", "right"]
    assert [each.name for each in found.controls_of("right")] == ["b"]


def test_controls_of_texts_and_of_single_regions_are_passed_over() -> None:
    text = config(
        control("PolygonLabels", "poly", "x"),
        '<Text name="t" value="$t"/><Choices name="c" toName="t"><Choice value="y"/></Choices>',
        '<Choices name="d" toName="image" perRegion="true"><Choice value="y"/></Choices>',
    )
    assert [each.name for each in read_label_config(text).controls] == ["poly"]


def test_labels_that_a_task_brings_follow_those_of_the_config() -> None:
    text = config(control("PolygonLabels", "poly", "x", attributes='value="$classes"'))
    bare = read_label_config(text)
    data = {"classes": ["y", {"value": "z", "prompt": "zebra", "threshold": 0.5}, "x"]}
    (found,) = bare.for_task(data).controls
    assert [label.value for label in found.labels] == ["x", "y", "z"]
    assert (found.labels[2].phrases, found.labels[2].threshold) == (("zebra",), 0.5)
    assert [label.value for label in bare.controls[0].labels] == ["x"]


@pytest.mark.parametrize("brought", [None, "x", {"value": "x"}, [3], [{"prompt": "x"}], [None]])
def test_labels_that_are_none_are_refused(brought: object) -> None:
    text = config(control("PolygonLabels", "poly", attributes='value="$classes"'))
    with pytest.raises(LabelConfigError, match="classes"):
        read_label_config(text).for_task({"classes": brought})


def test_a_control_without_labels_is_no_mistake_yet() -> None:
    assert labels_of(config(control("PolygonLabels", "poly"))) == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("<View>", "not valid XML"),
        ("<View><Image name='a'></View>", "not valid XML"),
        ("<View/>", "no place for suggestions"),
        ("<View><Text name='t' value='$t'/></View>", "no place for suggestions"),
        (config(control("PolygonLabels", "p", "<Label/>")), "has no value"),
        (config(control("PolygonLabels", "p", '<Label value="  "/>')), "has no value"),
        (config(control("PolygonLabels", "p", "x").replace('"image"', '"imgae"')), "imgae"),
        (config('<PolygonLabels toName="image"/>'), "needs a name"),
        (config(control("PolygonLabels", "p", "x"), image='<Image name="image"/>'), "Image"),
        (config(control("PolygonLabels", "p", "x"), image='<Image value="$a"/>'), "Image"),
        (
            config(control("PolygonLabels", "p", "x"), image='<Image name="image" value="a"/>'),
            "no field",
        ),
        (config(control("PolygonLabels", "p", '<Label value="x" threshold="2"/>')), "0 to 1"),
        (
            config(control("PolygonLabels", "p", "x"), control("BrushLabels", "p", "x")),
            "two control",
        ),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><View>&b;</View>", "DOCTYPE"),
        ("<!DOCTYPE a SYSTEM 'file:///etc/passwd'><View/>", "DOCTYPE"),
        ("<View>&nbsp;</View>", "not valid XML"),
        ("<a>" * 65 + "</a>" * 65, "nested"),
        (f"<View>{'<a/>' * 50_001}</View>", "tags"),
        (" " * 2**20 + "<View/>", "characters"),
        ("<View>\ud83d</View>", "half a character"),
        ("<View>\x00</View>", "not valid XML"),
    ],
)
def test_a_wrong_config_says_what_is_wrong(text: str, said: str) -> None:
    with pytest.raises(LabelConfigError, match=said):
        read_label_config(text)


def test_labels_with_plain_tools_are_named_in_a_warning() -> None:
    text = config(
        control("PolygonLabels", "poly", "x"),
        '<Labels name="l" toName="image"><Label value="y"/></Labels>',
        '<Polygon name="q" toName="image"/>',
    )
    (warning,) = read_label_config(text).warnings
    assert "'l'" in warning


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    with pytest.raises(LabelConfigError):
        read_label_config(text + "<")


words = st.text(
    st.characters(
        codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters='&<"\ufffe\uffff'
    ),
    min_size=1,
    max_size=12,
)


@given(st.lists(words.filter(str.strip), max_size=5), words, st.integers(0, 400))
def test_damaged_configs_are_read_or_refused(names: list[str], junk: str, place: int) -> None:
    text = config(control("PolygonLabels", "poly", *names))
    damaged = text[:place] + junk + text[place:]
    try:
        found = read_label_config(damaged)
    except LabelConfigError:
        return
    assert any(each.kind is Kind.POLYGON for each in found.controls)


@given(st.lists(words.filter(lambda text: text.strip() and not text.startswith("<")), unique=True))
def test_labels_come_in_the_order_of_the_config(names: list[str]) -> None:
    found = labels_of(config(control("PolygonLabels", "poly", *names)))
    assert [label.value for label in found] == names
