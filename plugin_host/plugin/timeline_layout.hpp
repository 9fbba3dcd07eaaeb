// Made by `python -m bridge.timeline.layout` from bridge/timeline/layout.py; do not edit.
#pragma once
#include <cstddef>
#include <cstdint>

namespace attacca {

constexpr uint64_t MAGIC = 0x3141434341545441;
constexpr uint32_t VERSION = 1;
constexpr uint32_t SLOT_FRAMES = 256;
constexpr uint32_t PAGE_SLOTS = 64;
constexpr uint32_t PAGE_FRAMES = 16384;
constexpr uint32_t PROJECT_PAGES = 65536;
constexpr uint32_t CONTEXT_SLOTS = 4096;
constexpr uint32_t CHANNELS = 2;
constexpr uint32_t MAX_SEGMENTS = 512;
constexpr uint32_t MAX_NOTES = 1024;
constexpr uint32_t TEXT_BYTES = 1024;
constexpr uint32_t PLAYING = 1;
constexpr uint32_t LOOPING = 2;
constexpr uint32_t MUSICAL = 4;
constexpr uint32_t OFF = 0;
constexpr uint32_t LOADING = 1;
constexpr uint32_t READY = 2;
constexpr const char* PREFIX = "attacca-";

struct Header {
    uint64_t magic;
    uint32_t version;
    uint32_t rate;
    uint32_t channels;
    uint32_t pages;
    uint64_t total_bytes;
    int64_t created_unix_ns;
    uint32_t creator_pid;
    uint32_t pad;
    char instance[40];
};
static_assert(sizeof(Header) == 88);
static_assert(offsetof(Header, magic) == 0);
static_assert(offsetof(Header, version) == 8);
static_assert(offsetof(Header, rate) == 12);
static_assert(offsetof(Header, channels) == 16);
static_assert(offsetof(Header, pages) == 20);
static_assert(offsetof(Header, total_bytes) == 24);
static_assert(offsetof(Header, created_unix_ns) == 32);
static_assert(offsetof(Header, creator_pid) == 40);
static_assert(offsetof(Header, pad) == 44);
static_assert(offsetof(Header, instance) == 48);

struct Transport {
    uint64_t seq;
    int64_t frame;
    int64_t monotonic_ns;
    uint32_t flags;
    uint32_t block_frames;
    int64_t bar;
    double quarter;
    double tempo;
    uint32_t numerator;
    uint32_t denominator;
    int64_t loop_first;
    int64_t loop_last;
    uint64_t jumps;
    uint64_t blocks;
};
static_assert(sizeof(Transport) == 96);
static_assert(offsetof(Transport, seq) == 0);
static_assert(offsetof(Transport, frame) == 8);
static_assert(offsetof(Transport, monotonic_ns) == 16);
static_assert(offsetof(Transport, flags) == 24);
static_assert(offsetof(Transport, block_frames) == 28);
static_assert(offsetof(Transport, bar) == 32);
static_assert(offsetof(Transport, quarter) == 40);
static_assert(offsetof(Transport, tempo) == 48);
static_assert(offsetof(Transport, numerator) == 56);
static_assert(offsetof(Transport, denominator) == 60);
static_assert(offsetof(Transport, loop_first) == 64);
static_assert(offsetof(Transport, loop_last) == 72);
static_assert(offsetof(Transport, jumps) == 80);
static_assert(offsetof(Transport, blocks) == 88);

struct Knobs {
    uint64_t seq;
    int64_t monotonic_ns;
    int64_t frame;
    double intensity_db;
    double blend;
    double guidance;
    double look_ahead_bars;
    uint32_t live;
    uint32_t hold;
    uint64_t continues;
    uint64_t panics;
    uint64_t changes;
};
static_assert(sizeof(Knobs) == 88);
static_assert(offsetof(Knobs, seq) == 0);
static_assert(offsetof(Knobs, monotonic_ns) == 8);
static_assert(offsetof(Knobs, frame) == 16);
static_assert(offsetof(Knobs, intensity_db) == 24);
static_assert(offsetof(Knobs, blend) == 32);
static_assert(offsetof(Knobs, guidance) == 40);
static_assert(offsetof(Knobs, look_ahead_bars) == 48);
static_assert(offsetof(Knobs, live) == 56);
static_assert(offsetof(Knobs, hold) == 60);
static_assert(offsetof(Knobs, continues) == 64);
static_assert(offsetof(Knobs, panics) == 72);
static_assert(offsetof(Knobs, changes) == 80);

struct Words {
    uint64_t seq;
    int64_t seed;
    uint64_t changes;
    char prompt_a[1024];
    char prompt_b[1024];
    char title[64];
};
static_assert(sizeof(Words) == 2136);
static_assert(offsetof(Words, seq) == 0);
static_assert(offsetof(Words, seed) == 8);
static_assert(offsetof(Words, changes) == 16);
static_assert(offsetof(Words, prompt_a) == 24);
static_assert(offsetof(Words, prompt_b) == 1048);
static_assert(offsetof(Words, title) == 2072);

struct Counters {
    uint64_t blocks;
    uint64_t played_frames;
    uint64_t missed_frames;
    uint64_t misses;
    uint64_t torn_slots;
    uint64_t off_grid_blocks;
    uint64_t notes_dropped;
    uint64_t scrubbed_samples;
    int64_t last_miss_frame;
};
static_assert(sizeof(Counters) == 72);
static_assert(offsetof(Counters, blocks) == 0);
static_assert(offsetof(Counters, played_frames) == 8);
static_assert(offsetof(Counters, missed_frames) == 16);
static_assert(offsetof(Counters, misses) == 24);
static_assert(offsetof(Counters, torn_slots) == 32);
static_assert(offsetof(Counters, off_grid_blocks) == 40);
static_assert(offsetof(Counters, notes_dropped) == 48);
static_assert(offsetof(Counters, scrubbed_samples) == 56);
static_assert(offsetof(Counters, last_miss_frame) == 64);

struct Notes {
    uint64_t written;
    uint64_t read;
};
static_assert(sizeof(Notes) == 16);
static_assert(offsetof(Notes, written) == 0);
static_assert(offsetof(Notes, read) == 8);

struct Note {
    int64_t frame;
    int64_t monotonic_ns;
    uint32_t size;
    char bytes[4];
};
static_assert(sizeof(Note) == 24);
static_assert(offsetof(Note, frame) == 0);
static_assert(offsetof(Note, monotonic_ns) == 8);
static_assert(offsetof(Note, size) == 16);
static_assert(offsetof(Note, bytes) == 20);

struct Engine {
    uint64_t seq;
    int64_t heartbeat_ns;
    uint32_t pid;
    uint32_t state;
    int64_t committed_frame;
    int64_t ready_until_frame;
    double bars_ready;
    double latency_s;
    uint64_t renders;
};
static_assert(sizeof(Engine) == 64);
static_assert(offsetof(Engine, seq) == 0);
static_assert(offsetof(Engine, heartbeat_ns) == 8);
static_assert(offsetof(Engine, pid) == 16);
static_assert(offsetof(Engine, state) == 20);
static_assert(offsetof(Engine, committed_frame) == 24);
static_assert(offsetof(Engine, ready_until_frame) == 32);
static_assert(offsetof(Engine, bars_ready) == 40);
static_assert(offsetof(Engine, latency_s) == 48);
static_assert(offsetof(Engine, renders) == 56);

struct Map {
    uint64_t seq;
    uint32_t generation;
    uint32_t count;
};
static_assert(sizeof(Map) == 16);
static_assert(offsetof(Map, seq) == 0);
static_assert(offsetof(Map, generation) == 8);
static_assert(offsetof(Map, count) == 12);

struct Segment {
    int64_t frame;
    double fraction;
    int64_t bar;
    double quarter;
    double tempo;
    uint32_t numerator;
    uint32_t denominator;
};
static_assert(sizeof(Segment) == 48);
static_assert(offsetof(Segment, frame) == 0);
static_assert(offsetof(Segment, fraction) == 8);
static_assert(offsetof(Segment, bar) == 16);
static_assert(offsetof(Segment, quarter) == 24);
static_assert(offsetof(Segment, tempo) == 32);
static_assert(offsetof(Segment, numerator) == 40);
static_assert(offsetof(Segment, denominator) == 44);

struct ContextTag {
    uint64_t seq;
    int64_t slot;
    uint16_t begin;
    uint16_t end;
    uint32_t pad;
};
static_assert(sizeof(ContextTag) == 24);
static_assert(offsetof(ContextTag, seq) == 0);
static_assert(offsetof(ContextTag, slot) == 8);
static_assert(offsetof(ContextTag, begin) == 16);
static_assert(offsetof(ContextTag, end) == 18);
static_assert(offsetof(ContextTag, pad) == 20);

struct Tag {
    uint64_t seq;
    int64_t slot;
    uint32_t generation;
    uint16_t begin;
    uint16_t end;
    int64_t written_ns;
};
static_assert(sizeof(Tag) == 32);
static_assert(offsetof(Tag, seq) == 0);
static_assert(offsetof(Tag, slot) == 8);
static_assert(offsetof(Tag, generation) == 16);
static_assert(offsetof(Tag, begin) == 20);
static_assert(offsetof(Tag, end) == 22);
static_assert(offsetof(Tag, written_ns) == 24);

struct Offsets {
    size_t header;
    size_t transport;
    size_t knobs;
    size_t words;
    size_t counters;
    size_t notes;
    size_t note;
    size_t engine;
    size_t map;
    size_t segment;
    size_t context_tag;
    size_t page_table;
    size_t tag;
    size_t context_audio;
    size_t audio;
    size_t total;
};

inline Offsets offsets(uint64_t pages) {
    Offsets o{};
    o.header = 0;
    o.transport = 128;
    o.knobs = 256;
    o.words = 384;
    o.counters = 2560;
    o.notes = 2688;
    o.note = 2752;
    o.engine = 27328;
    o.map = 27392;
    o.segment = 27456;
    o.context_tag = 52032;
    o.page_table = 150336;
    o.tag = 412480;
    const uint64_t slots = pages * PAGE_SLOTS;
    o.context_audio = (o.tag + slots * sizeof(Tag) + 4095) / 4096 * 4096;
    o.audio = (o.context_audio + CONTEXT_SLOTS * 2048ull + 4095) / 4096 * 4096;
    o.total = o.audio + slots * 2048ull;
    return o;
}

}  // namespace attacca
