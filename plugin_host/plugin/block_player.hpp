// The player thread of the block host: a scripted transport, the whole plugin but its format, and what is written down.
//
// Threading: the constructor allocates; `run` belongs to one audio thread and neither allocates, locks nor calls the
// system (the clock is read without a call). All else is read after that thread has ended.
#pragma once
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "block_rig.hpp"
#include "core.hpp"

namespace rig {

using namespace attacca;

constexpr uint32_t MAX_BLOCK = 8192;
constexpr uint32_t MAX_EVENTS = 65536;
constexpr uint32_t MAX_NOTED = 64;  // MIDI messages a block

struct Options {
    double seconds = 10, minutes = 5, tempo = 120;
    uint32_t rate = 48000, block = 128, numerator = 4, denominator = 4;
    int64_t seed = 0;
    std::string instance = "block-host", folder = cache_folder(), prompt, log, audio, control;
    bool ordinary = false;
};

class Host {
  public:
    Host(const Options& options, Core& core, Commands& commands)
        : options_(options), core_(core), commands_(commands),
          bars_{std::llround(options.tempo * 1000), options.rate, options.numerator, options.denominator} {
        const uint64_t blocks = uint64_t(options.seconds * options.rate / options.block) + 1;
        rows.resize(blocks);
        events.resize(MAX_EVENTS);
        if (!options.audio.empty()) audio.assign(blocks * options.block * 2, 0.0f);
    }

    // One block, from its wake-up on.
    void run(uint64_t k, int64_t due_ns) {
        const int64_t woke_ns = now_ns();
        BlockRow& row = rows[k];
        const int64_t expected = frame_;
        const bool rolled = playing_;
        obey(k, woke_ns);
        const Counters before = core_.cache()->counters();
        float* const outputs[2] = {left_, right_};
        core_.process(told(), nullptr, outputs, options_.block, woke_ns);
        for (uint32_t n = 0; n < noted_; ++n) core_.note(0, notes_[n].bytes, notes_[n].size, woke_ns);
        noted_ = 0;
        const Counters after = core_.cache()->counters();
        keep(k);
        row.frame = frame_;
        row.miss_frame = after.misses > before.misses ? after.last_miss_frame : -1;
        row.late_ns = clipped(woke_ns - due_ns);
        row.played = uint32_t(after.played_frames - before.played_frames);
        row.missed = uint32_t(after.missed_frames - before.missed_frames);
        row.torn = uint32_t(after.torn_slots - before.torn_slots);
        const bool off_grid = after.off_grid_blocks > before.off_grid_blocks;
        const bool jumped = rolled && playing_ && frame_ != expected;
        row.flags = (playing_ ? ROLLING : 0) | (off_grid ? OFF_GRID : 0) | (jumped ? JUMPED : 0);
        if (playing_) frame_ += options_.block;
        row.work_ns = clipped(now_ns() - woke_ns);
        done = k + 1;
    }

    std::vector<BlockRow> rows;
    std::vector<Event> events;
    std::vector<float> audio;
    uint64_t done = 0, happened = 0;

  private:
    void obey(uint64_t k, int64_t at_ns) {
        Command command;
        while (commands_.pop(k, command)) {
            if (command.what == Do::PLAY) playing_ = true;
            if (command.what == Do::STOP) playing_ = false;
            if (command.what == Do::LOCATE) frame_ = command.frame;
            if (command.what == Do::NOTE && noted_ < MAX_NOTED) notes_[noted_++] = command;
            if (command.what == Do::SET) core_.set(command.parameter, float(command.value));
            if (happened == events.size()) continue;
            events[happened++] = {k, frame_, at_ns, command.what, command.parameter, command.value};
        }
    }

    HostTime told() const {
        HostTime at;
        at.frame = frame_;
        at.playing = playing_;
        at.musical = true;
        int64_t bar = 0;
        double quarter = 0;
        bars_.place(frame_, bar, quarter);
        at.bar = double(bar);
        at.line = double(bar) * 4.0 * options_.numerator / options_.denominator;
        at.quarters = at.line + quarter;
        at.tempo = double(bars_.tempo_milli) / 1000.0;
        at.numerator = options_.numerator;
        at.denominator = options_.denominator;
        return at;
    }

    void keep(uint64_t k) {
        if (audio.empty()) return;
        float* to = audio.data() + k * options_.block * 2;
        for (uint32_t i = 0; i < options_.block; ++i) {
            *to++ = left_[i];
            *to++ = right_[i];
        }
    }

    const Options& options_;
    Core& core_;
    Commands& commands_;
    Bars bars_;
    int64_t frame_ = 0;
    bool playing_ = false;
    Command notes_[MAX_NOTED];
    uint32_t noted_ = 0;
    float left_[MAX_BLOCK] = {}, right_[MAX_BLOCK] = {};
};

}  // namespace rig
