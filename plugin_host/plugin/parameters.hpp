// The plugin's parameters: one table for all formats and for the tests.
//
// Threading: constants.
#pragma once
#include <cstdint>

namespace attacca {

enum Parameter : uint32_t {
    INTENSITY, BLEND, GUIDANCE, LOOK_AHEAD, OUTPUT_GAIN, DRY, LIVE, HOLD, FALLBACK, CONTINUE, PANIC,
    BARS_READY, MISSES, PARAMETERS
};

enum class Kind { number, whole, choice, toggle, output };

struct ParameterFacts {
    const char* symbol;
    const char* name;
    const char* unit;
    Kind kind;
    float least, most, usual;
    const char* about;
};

constexpr ParameterFacts PARAMETER_FACTS[PARAMETERS] = {
    {"intensity", "Intensity", "dB", Kind::number, -60, 0, -60, "Level asked of the music; -60: none asked for"},
    {"blend", "Prompt A to B", "", Kind::number, 0, 1, 0, "0: prompt A alone, 1: prompt B alone"},
    {"guidance", "Guidance", "", Kind::number, 1, 3, 2, "How strictly prompt, notes and context are followed"},
    {"look_ahead", "Look-ahead", "bars", Kind::whole, 1, 8, 2, "Bars that are kept ready ahead of the play head"},
    {"output_gain", "Output gain", "dB", Kind::number, -60, 12, 0, "Level of what is generated; -60: off"},
    {"dry", "Dry", "", Kind::number, 0, 1, 1, "Level of the track's own input"},
    {"live", "Live", "", Kind::toggle, 0, 1, 1, "Asks for bars; off: only what is there plays"},
    {"hold", "Hold", "bars", Kind::whole, 0, 8, 0, "Goes on with the last bars instead of new ones; 0: off"},
    {"fallback", "On a miss", "", Kind::choice, 0, 2, 0, "What sounds while a bar is missing"},
    {"continue", "Continue", "", Kind::toggle, 0, 1, 0, "Going up: the next bar continues what the track carries"},
    {"panic", "Panic", "", Kind::toggle, 0, 1, 0, "Going up: silence until Continue, or Live off and on"},
    {"bars_ready", "Bars ready", "bars", Kind::output, 0, 999, 0, "Whole bars that are ready ahead"},
    {"misses", "Misses", "", Kind::output, 0, 999999, 0, "Gaps since the plugin was loaded"},
};
constexpr const char* FALLBACK_NAMES[3] = {"Last bar, quieter", "Input", "Silence"};

}  // namespace attacca
