"""The detector's arithmetic, compared with values computed by hand, and what it finds in a real picture."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from commentator_lib.commentators.baseline.detector import (
    Detection,
    Detector,
    decode_boxes,
    detections,
    from_tile,
    iou,
    suppress,
    tiles,
)
from tests.commentators.baseline.conftest import CLIPS


def street(at_s: float) -> np.ndarray:
    """Return a frame (272, 640, 3) uint8 RGB of the street clip."""
    video = cv2.VideoCapture(str(CLIPS / "bikes.mp4"))
    try:
        for _ in range(round(at_s * 25) + 1):
            ok, image = video.read()
            assert ok
    finally:
        video.release()
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector()


def test_a_box_without_offsets_is_its_anchor():
    anchors = np.array([[0.2, 0.4, 0.6, 0.6]], np.float32)
    assert decode_boxes(np.zeros((1, 4), np.float32), anchors)[0] == pytest.approx([0.2, 0.4, 0.6, 0.6])


def test_offsets_move_by_the_anchors_size_and_grow_by_the_exponential():
    anchors = np.array([[0.2, 0.4, 0.6, 0.6]], np.float32)  # height 0.4, width 0.2, centre (0.4, 0.5)
    encoded = np.array([[1.0, -2.0, 5 * np.log(2), 0.0]], np.float32)
    # centre y 0.4 + 0.1·1·0.4 = 0.44, centre x 0.5 − 0.1·2·0.2 = 0.46, height 0.4·e^(0.2·5·ln 2) = 0.8
    assert decode_boxes(encoded, anchors)[0] == pytest.approx([0.04, 0.36, 0.84, 0.56], abs=1e-6)


def test_iou_by_hand():
    a = Detection("car", 0.9, 0.0, 0.0, 0.4, 0.4)
    b = Detection("car", 0.9, 0.2, 0.0, 0.6, 0.4)
    assert iou(a, b) == pytest.approx(1 / 3)
    assert iou(a, Detection("car", 0.9, 0.5, 0.5, 0.6, 0.6)) == 0.0
    assert iou(Detection("car", 1, 0.1, 0.1, 0.1, 0.1), Detection("car", 1, 0.1, 0.1, 0.1, 0.1)) == 0.0


def test_suppression_is_class_wise_and_keeps_the_best():
    best = Detection("car", 0.9, 0.0, 0.0, 0.4, 0.4)
    double = Detection("car", 0.8, 0.02, 0.0, 0.42, 0.4)
    beside = Detection("car", 0.7, 0.2, 0.0, 0.6, 0.4)  # IoU 1/3: another car
    driver = Detection("person", 0.6, 0.0, 0.0, 0.4, 0.4)
    part = Detection("car", 0.95, 0.05, 0.05, 0.15, 0.15)
    assert suppress([double, driver, best, beside]) == [best, beside, driver]
    wider = Detection("car", 0.5, 0.0, 0.0, 0.56, 0.4)  # IoU 5/7, and not within the best one
    assert suppress([best, wider]) == [best]
    assert suppress([part], kept=[best]) == [best]  # within a box that stays, though it scores higher


def test_raw_outputs_become_named_boxes_within_the_picture():
    anchors = np.array([[0.5, 0.5, 1.1, 0.9], [0.51, 0.5, 1.1, 0.9], [0.0, 0.0, 0.2, 0.2]], np.float32)
    scores = np.zeros((3, 91), np.float32)
    scores[:2, 3] = 0.9, 0.8  # one car, twice
    scores[2, 1] = 0.49  # a person not sure enough
    scores[2, 0] = scores[2, 12] = 1.0  # background, and an id without a name
    (car,) = detections(np.zeros((3, 4), np.float32), scores, anchors, 0.5)
    assert (car.label, car.y1) == ("car", 1.0)
    assert car.score == pytest.approx(0.9)


@pytest.mark.parametrize("size", [(640, 360), (1280, 720), (480, 640), (3840, 2160), (1, 1)])
def test_tiles_lie_in_the_picture_overlap_and_span_its_width(size):
    width, height = size
    squares = tiles(width, height)
    assert all(0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height for x0, y0, x1, y1 in squares)
    assert squares[0][0] == 0 and squares[-1][2] == width
    assert all(right[0] <= left[2] for left, right in zip(squares, squares[1:], strict=False))


def test_a_tiles_box_goes_back_and_one_cut_by_an_inner_edge_goes_away():
    tile = (200, 100, 400, 300)
    moved = from_tile(Detection("car", 0.9, 0.25, 0.5, 0.75, 0.75), tile, 800, 400)
    assert (moved.x0, moved.y0, moved.x1, moved.y1) == pytest.approx((250 / 800, 0.5, 350 / 800, 250 / 400))
    assert from_tile(Detection("car", 0.9, 0.0, 0.5, 0.5, 0.75), tile, 800, 400) is None
    at_border = from_tile(Detection("car", 0.9, 0.0, 0.5, 0.5, 0.75), (0, 100, 200, 300), 800, 400)
    assert at_border is not None and at_border.x0 == 0.0


@pytest.mark.parametrize(
    ("at_s", "label", "centre_x"), [(5.5, "car", 0.26), (5.0, "person", 0.66), (9.0, "bicycle", 0.66)]
)
def test_finds_what_is_in_the_street(detector, at_s, label, centre_x):
    found = detector.detect(street(at_s))
    assert any(d.label == label and abs(d.cx - centre_x) < 0.08 for d in found), found


def test_a_tile_finds_the_far_car_that_the_whole_picture_misses(detector):
    image = street(7.0)
    height, width = image.shape[:2]
    assert detector.detect(image) == []
    found = [d for tile in tiles(width, height) for d in detector.detect_tile(image, tile, 0.65)]
    assert any(d.label == "car" and 0.8 < d.cx < 0.95 for d in found), found


def test_the_same_picture_gives_the_same_boxes(detector):
    image = street(5.0)
    assert detector.detect(image) == detector.detect(image)


@pytest.mark.parametrize("missing", ["ssdlite_mobilenet_v2_coco.onnx", "ssdlite_anchors.npy"])
def test_a_missing_model_file_is_named(tmp_path, missing):
    for name in {"ssdlite_mobilenet_v2_coco.onnx", "ssdlite_anchors.npy"} - {missing}:
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(FileNotFoundError, match=missing):
        Detector(tmp_path)
