// The plugin's core as plain C functions, so that the tests drive it from Python by ctypes. Not part of a plugin.
#include <cstdio>
#include <cstring>

#include "core.hpp"

using namespace attacca;

namespace {

Core& of(void* core) { return *static_cast<Core*>(core); }

}  // namespace

extern "C" {

void* pl_new() { return new Core("test"); }
void pl_delete(void* core) { delete static_cast<Core*>(core); }
int pl_open(void* core, double rate, double minutes, const char* folder, char* text, uint32_t size) {
    const std::string problem = of(core).open(rate, minutes, folder);
    std::snprintf(text, size, "%s", problem.c_str());
    return problem.empty() ? 0 : 1;
}
void pl_close(void* core) { of(core).close(); }
int pl_set_instance(void* core, const char* instance) { return of(core).set_instance(instance).empty() ? 0 : 1; }
void pl_instance(void* core, char* text, uint32_t size) {
    std::snprintf(text, size, "%s", of(core).instance().c_str());
}
void pl_set_prompts(void* core, const char* a, const char* b, int64_t seed) { of(core).set_prompts({a, b, seed}); }
void pl_set(void* core, uint32_t parameter, float value) { of(core).set(parameter, value); }
float pl_get(void* core, uint32_t parameter) { return of(core).get(parameter); }
uint32_t pl_parameter(const char* symbol) {
    for (uint32_t i = 0; i < PARAMETERS; ++i)
        if (std::strcmp(PARAMETER_FACTS[i].symbol, symbol) == 0) return i;
    return PARAMETERS;
}
uint64_t pl_host_time_bytes() { return sizeof(HostTime); }

// Planes are [2][frames], one after the other; `inputs` may be null.
void pl_process(void* core, const HostTime* told, const float* inputs, float* outputs, uint32_t frames, int64_t ns) {
    const float* in[2] = {inputs, inputs ? inputs + frames : nullptr};
    float* out[2] = {outputs, outputs + frames};
    of(core).process(*told, inputs ? in : nullptr, out, frames, ns);
}
void pl_note(void* core, uint32_t offset, const uint8_t* data, uint32_t size, int64_t ns) {
    of(core).note(offset, data, size, ns);
}

// A whole timeline in blocks of `block` frames under one tempo and meter, from `first` on; outputs [2][frames].
void pl_roll(void* core, int64_t first, const Musical* at_zero, const float* inputs, float* outputs, uint32_t frames,
             uint32_t block, double rate) {
    for (uint32_t done = 0; done < frames;) {
        const uint32_t count = frames - done < block ? frames - done : block;
        const Musical place = at_zero->after(static_cast<double>(first + done), rate);
        HostTime told;
        told.frame = first + done;
        told.playing = told.musical = true;
        told.quarters = place.quarter;
        told.line = 0;
        told.bar = static_cast<double>(place.bar);
        told.tempo = place.tempo;
        told.numerator = place.numerator;
        told.denominator = place.denominator;
        const float* in[2] = {inputs ? inputs + done : nullptr, inputs ? inputs + frames + done : nullptr};
        float* out[2] = {outputs + done, outputs + frames + done};
        of(core).process(told, in, out, count, 0);
        done += count;
    }
}

int pl_position(void* core, int64_t* frame, Musical* place) {
    *frame = of(core).position().frame;
    *place = of(core).position().place;
    return of(core).position().musical;
}

// tempo_map.hpp
void* tm_new() { return new TempoMap(); }
void tm_delete(void* map) { delete static_cast<TempoMap*>(map); }
void tm_load(void* map, double rate, const Segment* segments, uint32_t count) {
    static_cast<TempoMap*>(map)->load(rate, segments, count);
}
int64_t tm_next_line(void* map, int64_t frame) { return static_cast<TempoMap*>(map)->next_line(frame); }
int tm_place(void* map, int64_t frame, Musical* out) { return static_cast<TempoMap*>(map)->place(frame, *out); }
int tm_agrees(void* map, int64_t frame, uint32_t frames, const Musical* host) {
    return static_cast<TempoMap*>(map)->agrees(frame, frames, *host);
}
int tm_frame_of(void* map, int64_t bar, double quarter, int64_t* frame) {
    return static_cast<TempoMap*>(map)->frame_of(bar, quarter, *frame);
}

// bar_clock.hpp
void* bc_new(double rate) { return new BarClock(rate); }
void bc_delete(void* clock) { delete static_cast<BarClock*>(clock); }
int bc_at(void* clock, const HostTime* told, uint32_t frames, const void* map, int64_t* frame, Musical* place) {
    const TempoMap none;
    const Position at =
        static_cast<BarClock*>(clock)->at(*told, frames, map ? *static_cast<const TempoMap*>(map) : none);
    *frame = at.frame;
    *place = at.place;
    return at.musical;
}
}
