"""How large the frames of a stream of AV1 are, by its headers: the largest that a decoder may have to make room for.

The sequence header tells a size, and a frame may override it by any that as many bits can hold: the standard wants it no
larger, decoders do not look. Comments name what is skipped, by the standard's names (5.3, 5.5, 5.9).
"""

from collections.abc import Iterator
from dataclasses import dataclass

_MOST_UNITS = 1_000
"""A picture has three or four. A stream of nothing else would take minutes."""
_HEAD = 512
"""The bytes of a unit that are looked at: more than any header has."""
_SEQUENCE, _FRAMES = 1, (3, 6, 7)
_KEY, _SWITCH = 0, 3
_EITHER = 2
"""The sequence leaves it to each frame."""


@dataclass(frozen=True)
class _Sequence:
    pixels: int
    most: int
    """The pixels of the largest frame that overrides them."""
    is_still: int
    """One picture, whose frame has nothing to override."""
    clock: int
    """The bits by which a frame says when it is shown."""
    number: int
    """The bits of a frame's number."""
    screen: int
    integer: int


class _Bits:
    def __init__(self, data: memoryview) -> None:
        self._number, self._left = int.from_bytes(data), 8 * len(data)

    def take(self, count: int = 1) -> int:
        self._left -= count
        if self._left < 0:
            raise ValueError("a header ends early")
        return self._number >> self._left & (1 << count) - 1


def largest(stream: memoryview) -> int:
    """Pixels. Raises ValueError or IndexError where the stream does not tell."""
    most, sequence = 0, None
    for kind, body in _units(stream):
        if kind == _SEQUENCE:
            sequence = _sequence(_Bits(body))
            most = max(most, sequence.pixels)
        elif kind in _FRAMES and sequence and _overrides(_Bits(body), sequence):
            most = max(most, sequence.most)
    if not most:
        raise ValueError("there is no sequence header")
    return most


def _units(stream: memoryview) -> Iterator[tuple[int, memoryview]]:
    at = 0
    for _ in range(_MOST_UNITS):
        if at >= len(stream):
            return
        head, size = stream[at], len(stream)
        at += 2 if head & 4 else 1
        if head & 2:
            size, at = _size(stream, at)
        yield head >> 3 & 15, stream[at : at + min(size, _HEAD)]
        at += size
    raise ValueError("it has far too many units")


def _size(stream: memoryview, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, the lowest first; and where it ends."""
    number = 0
    for place in range(8):
        byte = stream[at + place]
        number |= (byte & 127) << 7 * place
        if byte < 128:
            return number, at + place + 1
    raise ValueError("a number does not end")


def _sequence(bits: _Bits) -> _Sequence:
    bits.take(4)  # seq_profile, still_picture
    is_still = bits.take()
    clock = 0 if is_still else _operating_points(bits)
    bits.take(5 * is_still)  # seq_level_idx
    wide, high = bits.take(4) + 1, bits.take(4) + 1
    pixels = (bits.take(wide) + 1) * (bits.take(high) + 1)
    number = 0 if is_still or not bits.take() else bits.take(4) + bits.take(3) + 3
    bits.take(3)  # use_128x128_superblock, enable_filter_intra, enable_intra_edge_filter
    screen, integer = (_EITHER, _EITHER) if is_still else _screen_content(bits)
    return _Sequence(pixels, 1 << wide + high, is_still, clock, number, screen, integer)


def _operating_points(bits: _Bits) -> int:
    delay, clock = _timing(bits) if bits.take() else (0, 0)
    has_delays = bits.take()  # initial_display_delay_present_flag
    for _ in range(bits.take(5) + 1):
        bits.take(12)  # operating_point_idc
        bits.take(bits.take(5) > 7)  # seq_level_idx, seq_tier
        if delay and bits.take():
            bits.take(2 * delay + 1)  # operating_parameters_info
        if has_delays and bits.take():
            bits.take(4)  # initial_display_delay_minus_1
    return clock


def _timing(bits: _Bits) -> tuple[int, int]:
    """The bits of a delay, and of a frame's time."""
    bits.take(64)  # num_units_in_display_tick, time_scale
    is_steady = bits.take()  # equal_picture_interval
    if is_steady:
        zeros = 0
        while not bits.take():
            zeros += 1
        bits.take(zeros)  # num_ticks_per_picture_minus_1
    if not bits.take():  # decoder_model_info_present_flag
        return 0, 0
    delay = bits.take(5) + 1
    bits.take(37)  # num_units_in_decoding_tick, buffer_removal_time_length_minus_1
    clock = bits.take(5) + 1
    return delay, 0 if is_steady else clock


def _screen_content(bits: _Bits) -> tuple[int, int]:
    """Whether frames may copy within themselves, and move by whole pixels alone."""
    bits.take(
        4
    )  # enable_interintra_compound, enable_masked_compound, enable_warped_motion, enable_dual_filter
    bits.take(2 * bits.take())  # enable_order_hint, enable_jnt_comp, enable_ref_frame_mvs
    screen = _EITHER if bits.take() else bits.take()
    integer = _EITHER if not screen or bits.take() else bits.take()
    return screen, integer


def _overrides(bits: _Bits, sequence: _Sequence) -> bool:
    """Whether a frame has a size of its own."""
    if sequence.is_still or bits.take():  # show_existing_frame
        return False
    kind, is_shown = bits.take(2), bits.take()
    bits.take(sequence.clock if is_shown else 1)  # frame_presentation_time, or showable_frame
    bits.take(kind != _SWITCH and (kind, is_shown) != (_KEY, 1))  # error_resilient_mode
    bits.take()  # disable_cdf_update
    is_screen = bits.take() if sequence.screen == _EITHER else sequence.screen
    bits.take(is_screen and sequence.integer == _EITHER)  # force_integer_mv
    bits.take(sequence.number)  # current_frame_id
    return kind == _SWITCH or bool(bits.take())
