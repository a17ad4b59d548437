from bench.train.segment import Segment, costs, devices, training_seconds

SEGMENTS = [Segment("A100", 5.0, 3.0, 100), Segment("H100", 7.0, 6.0, 90), Segment("A100", 1.0, 0.5, 90)]


def test_times_add_up_and_the_peak_of_memory_is_the_highest():
    assert costs(SEGMENTS) == {"seconds": 13.0, "peak_memory_bytes": 100}
    assert training_seconds(SEGMENTS) == 9.5


def test_a_run_names_each_device_it_was_on_once():
    assert devices(SEGMENTS) == {"device_name": "A100 + H100", "preemptions": 2}
    assert devices(SEGMENTS[:1]) == {"device_name": "A100", "preemptions": 0}
