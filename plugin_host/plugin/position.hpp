// The host's position at a block's first frame, whatever the plugin format, in one shape.
//
// Threading: plain values.
#pragma once
#include <cstdint>

#include "tempo_map.hpp"

namespace attacca {

struct Position {
    int64_t frame = 0;  // of the project; may be negative (a count-in)
    bool playing = false;
    bool musical = false;  // `place` is the host's own
    bool looping = false;
    Musical place;
    double coarse = 0;  // quarters by which the host's place may be off (a tick: LV2, JACK, Ardour)
    int64_t loop_first = 0, loop_last = 0;
};

// The position with what no host can mean taken out: without MUSICAL where tempo, meter or place are no numbers of
// music, not looping where the loop is empty, not playing beyond 2^47 frames.
inline Position sane(Position at) {
    constexpr int64_t FAR = 1ll << 47;
    if (at.frame > FAR || at.frame < -FAR) {
        at.playing = at.musical = false;
        at.frame = 0;
    }
    at.musical = at.musical && at.place.sane();
    if (!at.musical) at.place = Musical();
    if (!finite(at.coarse) || at.coarse < 0 || at.coarse > 0.1) at.coarse = 0;
    at.looping = at.looping && at.loop_first < at.loop_last;
    if (!at.looping) at.loop_first = at.loop_last = 0;
    return at;
}

}  // namespace attacca
