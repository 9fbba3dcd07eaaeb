// A host's time through DPF without DPF's own arithmetic.
//
// DPF 1.6 divides VST3's quarters by a bar length in whole quarters (7/8 counts as 3, 1/8 divides by zero), drops the
// bar line and the loop, hands CLAP's steady time out as the position, and extrapolates LV2's bars one block early. So
// the raw figures of each format are packed into DPF's TimePosition here, and unpacked in `run`; bar_clock.hpp makes
// the position from them. format.cpp puts these calls where DPF hands the time to the plugin.
//
// Threading: pure functions of the audio thread.
#pragma once
#include <cmath>

#include "../bar_clock.hpp"
#include "DistrhoPlugin.hpp"

namespace attacca {

using DISTRHO_NAMESPACE::TimePosition;

inline TimePosition packed(const HostTime& told) {
    TimePosition carrier;
    carrier.playing = told.playing;
    carrier.frame = static_cast<uint64_t>(told.frame);
    carrier.bbt.valid = told.musical;
    carrier.bbt.bar = static_cast<int32_t>(told.numerator);
    carrier.bbt.beat = static_cast<int32_t>(told.denominator);
    carrier.bbt.tick = told.quarters;
    carrier.bbt.barStartTick = told.line;
    carrier.bbt.ticksPerBeat = told.bar;
    carrier.bbt.beatsPerMinute = told.tempo;
#if defined(DISTRHO_PLUGIN_TARGET_LV2)
    carrier.bbt.beatsPerBar = static_cast<float>(told.offset);
#else
    carrier.bbt.beatsPerBar = static_cast<float>(told.loop_first);
    carrier.bbt.beatType = static_cast<float>(told.loop_last);
#endif
    return carrier;
}

inline HostTime unpacked(const TimePosition& carrier) {
    HostTime told;
    told.playing = carrier.playing;
    told.frame = static_cast<int64_t>(carrier.frame);
    told.musical = carrier.bbt.valid;
    told.numerator = static_cast<uint32_t>(carrier.bbt.bar);
    told.denominator = static_cast<uint32_t>(carrier.bbt.beat);
    told.quarters = carrier.bbt.tick;
    told.line = carrier.bbt.barStartTick;
    told.bar = carrier.bbt.ticksPerBeat;
    told.tempo = carrier.bbt.beatsPerMinute;
#if defined(DISTRHO_PLUGIN_TARGET_LV2)
    told.offset = static_cast<int64_t>(carrier.bbt.beatsPerBar);
    if (told.denominator > 0) told.coarse = 4.0 / told.denominator / 1920.0;  // hosts tell whole ticks
#else
    told.loop_first = carrier.bbt.beatsPerBar;
    told.loop_last = carrier.bbt.beatType;
#endif
#if defined(DISTRHO_PLUGIN_TARGET_VST3)
    const double ticks = told.quarters * 1920.0;  // Ardour tells whole ticks, and rounds
    if (std::fabs(ticks - std::round(ticks)) < 1e-6) told.coarse = 1.0 / 1920.0;
#endif
#if defined(DISTRHO_PLUGIN_TARGET_CLAP)
    told.jitter = 2;
#endif
    return told;
}

#if defined(DISTRHO_PLUGIN_TARGET_VST3)
inline TimePosition told(const TimePosition& dpf, const v3_process_context& host) {
    HostTime now;
    const uint32_t musical = V3_PROCESS_CTX_PROJECT_TIME_VALID | V3_PROCESS_CTX_TEMPO_VALID | SIGNATURE_VALID;
    now.playing = dpf.playing;
    now.frame = host.project_time_in_samples;
    now.musical = (host.state & musical) == musical;
    now.quarters = host.project_time_quarters;
    if (host.state & V3_PROCESS_CTX_BAR_POSITION_VALID) now.line = host.bar_position_quarters;
    now.tempo = host.bpm;
    now.numerator = static_cast<uint32_t>(host.time_sig_numerator);
    now.denominator = static_cast<uint32_t>(host.time_sig_denom);
    const uint32_t loops = V3_PROCESS_CTX_CYCLE_ACTIVE | V3_PROCESS_CTX_CYCLE_VALID;
    if ((host.state & loops) == loops) {
        now.loop_first = host.cycle_start_quarters;
        now.loop_last = host.cycle_end_quarters;
    }
    return packed(now);
}
#endif

#if defined(DISTRHO_PLUGIN_TARGET_CLAP)
inline double clap_number(int64_t fixed) { return static_cast<double>(fixed) / 2147483648.0; }

inline TimePosition told(const TimePosition& dpf, const clap_event_transport_t* host, double rate) {
    HostTime now;
    if (host == nullptr) return packed(now);
    const uint32_t musical = CLAP_TRANSPORT_HAS_TEMPO | CLAP_TRANSPORT_HAS_BEATS_TIMELINE | SIGNATURE_VALID;
    now.playing = dpf.playing;
    if (host->flags & CLAP_TRANSPORT_HAS_SECONDS_TIMELINE)
        now.frame = std::llround(clap_number(host->song_pos_seconds) * rate);
    now.musical = (host->flags & musical) == musical;
    now.quarters = clap_number(host->song_pos_beats);
    now.line = clap_number(host->bar_start);
    now.bar = host->bar_number;
    now.tempo = host->tempo;
    now.numerator = host->tsig_num;
    now.denominator = host->tsig_denom;
    if (host->flags & CLAP_TRANSPORT_IS_LOOP_ACTIVE) {
        now.loop_first = clap_number(host->loop_start_beats);
        now.loop_last = clap_number(host->loop_end_beats);
    }
    return packed(now);
}
#endif

#if defined(DISTRHO_PLUGIN_TARGET_LV2)
// Stands for "no event": what the name of DPF's event means outside of its loop over events.
struct NoEvent {};

// LV2 tells tempo as a float: the thousandth that it stands for, where there is one.
inline double exact_tempo(float tempo) {
    const double near = std::round(static_cast<double>(tempo) * 1000.0) / 1000.0;
    return static_cast<float>(near) == tempo ? near : static_cast<double>(tempo);
}

template <class Data>
TimePosition told_of(const TimePosition& dpf, const Data& host) {
    HostTime now;
    now.playing = dpf.playing;
    now.frame = static_cast<int64_t>(dpf.frame);
    now.musical = dpf.bbt.valid && host.bar >= 0 && host.barBeat >= 0;
    now.tempo = exact_tempo(host.beatsPerMinute);
    now.numerator = static_cast<uint32_t>(std::lround(host.beatsPerBar));
    now.denominator = host.beatUnit;
    return packed(now);
}

// A position event, `offset` frames into the block; DPF goes on from its frame as if it came at the block's start.
template <class Data, class Event>
TimePosition told(const TimePosition& dpf, Data& host, const Event*, int64_t offset) {
    host.frame -= offset;
    HostTime now = unpacked(told_of(dpf, host));
    now.frame -= offset;
    now.offset = offset;
    now.bar = static_cast<double>(host.bar);
    now.quarters = host.beatUnit ? static_cast<double>(host.barBeat) * 4.0 / host.beatUnit : 0.0;
    return packed(now);
}

// DPF's extrapolation between events: its frame is right, its bars are not.
template <class Data>
TimePosition told(const TimePosition& dpf, Data& host, const NoEvent&, int64_t) {
    return told_of(dpf, host);
}
#endif

}  // namespace attacca
