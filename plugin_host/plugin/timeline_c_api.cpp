// timeline_cache.hpp as plain C functions, so that the tests drive it from Python by ctypes. Not part of a plugin.
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "timeline_cache.hpp"

#include "tempo_map.hpp"

using namespace attacca;

namespace {

int say(const std::string& problem, char* text, uint32_t size) {
    std::snprintf(text, size, "%s", problem.c_str());
    return problem.empty() ? 0 : 1;
}

TimelineCache& of(void* cache) { return *static_cast<TimelineCache*>(cache); }

}  // namespace

extern "C" {

uint64_t tc_total_bytes(uint64_t pages) { return offsets(pages).total; }
void tc_offsets(uint64_t pages, uint64_t* out) {
    const Offsets o = offsets(pages);
    static_assert(sizeof(Offsets) == 16 * sizeof(size_t));
    std::memcpy(out, &o, sizeof o);
}
uint32_t tc_version() { return VERSION; }
int64_t tc_pages_for(double minutes, uint32_t rate) { return pages_for(minutes, rate); }

void* tc_new() { return new TimelineCache(); }
void tc_delete(void* cache) { delete static_cast<TimelineCache*>(cache); }
int tc_create(void* cache, const char* instance, uint32_t rate, double minutes, const char* folder, char* text,
              uint32_t size) {
    return say(of(cache).create(instance, rate, minutes, folder), text, size);
}
int tc_attach(void* cache, const char* path, char* text, uint32_t size) {
    return say(of(cache).attach(path), text, size);
}
void tc_close(void* cache) { of(cache).close(); }
const char* tc_instance(void* cache) { return of(cache).instance().c_str(); }
const char* tc_path(void* cache) { return of(cache).path().c_str(); }
uint32_t tc_rate(void* cache) { return of(cache).rate(); }
uint64_t tc_pages(void* cache) { return of(cache).pages(); }
int tc_engine_attached(void* cache) { return of(cache).engine_attached(); }
int tc_reclaim(const char* folder) { return reclaim(folder); }

void tc_report(void* cache, const Transport* transport) { of(cache).report(*transport); }
void tc_set_knobs(void* cache, const Knobs* knobs) { of(cache).set_knobs(*knobs); }
void tc_set_words(void* cache, int64_t seed, const char* prompt_a, const char* prompt_b, const char* title) {
    of(cache).set_words(seed, prompt_a, prompt_b, title);
}
void tc_capture(void* cache, int64_t first_frame, uint32_t frames, const float* left, const float* right) {
    of(cache).capture(first_frame, frames, left, right);
}
int tc_push_note(void* cache, int64_t frame, const uint8_t* data, uint32_t size, int64_t monotonic_ns) {
    return of(cache).push_note(frame, data, size, monotonic_ns);
}

/// Writes without pause for a while: three slots of context full of a number, and a transport full of the same.
/// -> the last number.
int64_t tc_hammer(void* cache, double seconds) {
    timespec start{}, now{};
    clock_gettime(CLOCK_MONOTONIC, &start);
    float samples[3 * SLOT_FRAMES];
    int64_t turn = 0;
    do {
        ++turn;
        std::fill_n(samples, 3 * SLOT_FRAMES, float(turn % (1 << 24)));
        of(cache).capture(0, 3 * SLOT_FRAMES, samples, samples);
        Transport t{};
        t.frame = t.monotonic_ns = t.bar = t.loop_first = t.loop_last = turn;
        t.jumps = t.blocks = uint64_t(turn);
        of(cache).report(t);
        // A block every 40 us, thirty times as often as any host: without a pause a reader would be left to luck.
        const double due = std::min(seconds, 40e-6 * double(turn));
        do
            clock_gettime(CLOCK_MONOTONIC, &now);
        while (double(now.tv_sec - start.tv_sec) + 1e-9 * double(now.tv_nsec - start.tv_nsec) < due);
    } while (double(now.tv_sec - start.tv_sec) + 1e-9 * double(now.tv_nsec - start.tv_nsec) < seconds);
    return turn;
}

void tc_count_miss(void* cache, int64_t frame) {
    of(cache).add(&Counters::misses, 1);
    of(cache).set_last_miss(frame);
}
void tc_counters(void* cache, Counters* out) { *out = of(cache).counters(); }
int tc_status(void* cache, Engine* out) { return of(cache).status(*out); }

int tc_refresh_map(void* cache) { return of(cache).refresh_map(); }
uint32_t tc_generation(void* cache) { return of(cache).generation(); }
uint32_t tc_segments(void* cache, Segment* out) {
    std::memcpy(out, of(cache).segments(), of(cache).segment_count() * sizeof(Segment));
    return of(cache).segment_count();
}
int tc_position_at(void* cache, int64_t frame, Musical* out) {
    TempoMap map;
    map.load(of(cache).rate(), of(cache).segments(), of(cache).segment_count());
    return map.place(frame, *out);
}
void tc_read(void* cache, int64_t first_frame, uint32_t frames, float* left, float* right, uint8_t* valid,
             ReadResult* out) {
    *out = of(cache).read(first_frame, frames, left, right, valid);
}
}
