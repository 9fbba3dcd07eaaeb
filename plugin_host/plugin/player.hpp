// The heart of the plugin: what is heard at a project frame, given the cache, the input and the host's position.
//
// Threading: `prepare` allocates and runs while nothing plays. `process` is the audio thread's alone: it never
// allocates, locks, waits or calls the system; its work is bounded by the block (each chunk of 1024 frames reads at
// most 25 ms more than it plays). What is late is not waited for: it is a miss, faded, covered and counted.
//
// One frame is the sum of four: the *voice* (the cache at the host's position), *tails* (5 ms of what sounded where it
// had to stop, fading out), the *repeat* (fallback: the last bar, 6 dB quieter) and the track's input. With the voice
// open, nothing else sounding and 0 dB, the output is the cache's bits.
//
// - The voice opens at once where playing begins or jumps to, if the cache has 25 ms there; from a stop on a beat line
//   at full level, else over 5 ms. After a miss it opens at a beat line, and where a start or a jump led into the gap at a
//   quarter of a beat: the fade of 20 ms ends on the line where the cache has what comes before it, else it begins there.
// - It closes over the last 5 ms that the cache has. What vanishes without notice (a jump, a new map) fades from a
//   reserve of 5 ms that is kept beyond each block.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include "fades.hpp"
#include "position.hpp"
#include "repeat.hpp"
#include "tail.hpp"
#include "tempo_map.hpp"
#include "timeline_cache.hpp"

namespace attacca {

constexpr uint32_t CHUNK_FRAMES = 1024;
constexpr int SOUGHT_PARTS = 4;  // of a beat, for lines where a jump is answered
enum Fallback : uint32_t { REPEAT = 0, INPUT = 1, SILENCE = 2 };

struct Settings {
    float gain = 1.0f;            // of what is generated
    float dry = 1.0f;             // of the track's input
    uint32_t fallback = REPEAT;   // while a frame is missed
    bool live = true;             // bars are asked for: what is not there is a miss
    bool muted = false;           // after a panic: nothing generated sounds, nothing is missed
};

// What one block added to the counters.
struct Counts {
    uint64_t played = 0, missed = 0, misses = 0, off_grid = 0, scrubbed = 0, torn = 0;
    int64_t last_miss_frame = -1;
};

class Player {
  public:
    void prepare(double rate) {
        rate_ = rate;
        fade_ = std::max<uint32_t>(8, static_cast<uint32_t>(std::lround(0.005 * rate)));
        rise_ = 4 * fade_;
        look_ = rise_ + fade_;
        const size_t window = CHUNK_FRAMES + look_;
        for (auto* plane : {&left_, &right_}) plane->assign(window, 0.0f);
        known_.assign(window, 0);
        run_.assign(window + 1, 0);
        for (auto& plane : input_) plane.assign(CHUNK_FRAMES, 0.0f);
        tail_.prepare(fade_);
        for (auto& plane : reserve_) plane.assign(fade_, 0.0f);
        repeat_.prepare(rate, fade_);
        map_.clear();
        reset();
    }

    // Nothing sounds any more; the next block begins anew.
    void reset() {
        open_ = rolling_ = missing_ = gap_ = sought_ = false;
        closing_ = 0;
        tail_.clear();
        voice_.set(0);
        repeated_.set(0);
        passed_.set(0);
        gain_.set(-1);
        dry_.set(-1);
        line_ = landing_ = NO_FRAME;
        repeat_.forget();
    }

    const TempoMap& map() const { return map_; }
    uint64_t jumps() const { return jumps_; }
    uint32_t fade_frames() const { return fade_; }

    // Takes a new map in. `process` does it, too; call it where the map is asked before that.
    void refresh(TimelineCache& cache) {
        if (!cache.is_open() || !cache.refresh_map()) return;
        map_.load(rate_, cache.segments(), cache.segment_count());
        line_ = landing_ = NO_FRAME;
    }

    // Another cache (or none) from the next block on; what sounds fades from the reserve.
    void change_cache() {
        map_.clear();
        line_ = landing_ = NO_FRAME;
    }

    // Whether the block that comes does not follow the last one.
    bool jumped(const Position& at) const { return rolling_ && at.playing && at.frame != expected_; }

    // Plays one block, and captures the input into the cache while the transport rolls; without an open cache the input
    // passes through. `at` is sane.
    // `inputs` and `outputs` are two planes each (inputs may be null, and may be the outputs).
    void process(TimelineCache& cache, const Position& at, const Settings& settings, const float* const* inputs,
                 float* const* outputs, uint32_t frames, Counts& counts) {
        refresh(cache);
        begin(at, settings, frames, counts);
        for (uint32_t done = 0; done < frames;) {
            const uint32_t count = std::min(frames - done, CHUNK_FRAMES);
            take_input(inputs, done, count, counts);
            const int64_t first = at.frame + done;
            if (at.playing && inputs && cache.is_open())
                cache.capture(first, count, input_[0].data(), input_[1].data());
            look(cache, at, first, count, counts);
            for (uint32_t i = 0; i < count; ++i) {
                if (at.playing) decide(first + i, i);
                play(first + i, i, outputs[0] + done, outputs[1] + done, counts);
            }
            remember(count);
            done += count;
        }
        expected_ = at.frame + frames;
    }

  private:
    // ---- once a block ---------------------------------------------------------------------------------------------
    void begin(const Position& at, const Settings& settings, uint32_t frames, Counts& counts) {
        block_ = at;
        settings_ = settings;
        if (!(settings_.gain >= 0.0f) || settings_.gain > 100.0f) settings_.gain = 1.0f;
        if (!(settings_.dry >= 0.0f) || settings_.dry > 100.0f) settings_.dry = 1.0f;
        const bool jump = jumped(at);
        jumps_ += jump;
        on_grid_ = !at.playing || !at.musical || map_.empty() || map_.agrees(at.frame, frames, at.place, at.coarse);
        counts.off_grid += !on_grid_;
        started_ = at.playing && !rolling_;
        fresh_ = started_ || jump;
        sought_ = fresh_ || (sought_ && at.playing);
        if (jump || (rolling_ && !at.playing)) leave(at.playing);
        if (repeat_.armed() && at.musical && !repeat_.fits_under(at.place)) drop_repeat();
        if (fresh_) line_ = landing_ = NO_FRAME;
        steer(gain_, settings_.gain);
        steer(dry_, settings_.dry);
        rolling_ = at.playing;
    }

    // A setting glides in 20 ms; the first one is there at once (-1: none yet).
    void steer(Ramp& ramp, float target) {
        if (ramp.value() < 0)
            ramp.set(target);
        else
            ramp.aim(target, rise_);
    }

    // The play head left (a jump, a stop): 5 ms of what would have come fade out.
    void leave(bool still_playing) {
        tail_.add([&](uint32_t i, float& left, float& right) {
            const float voice = open_ ? voice_.next() : 0.0f;
            add_repeated(i, left, right);
            left += open_ ? reserve_[0][i] * voice : 0.0f;
            right += open_ ? reserve_[1][i] * voice : 0.0f;
        });
        voice_.set(0);
        repeated_.set(0);
        carried_ = open_ && still_playing;
        gap_ = gap_ && still_playing;
        if (gap_)
            repeat_.relocate(phase());
        else
            repeat_.stop();
        if (!still_playing) passed_.aim(0, fade_);
        open_ = false;
        closing_ = 0;
    }

    void drop_repeat() {
        tail_.add([&](uint32_t i, float& left, float& right) { add_repeated(i, left, right); });
        repeated_.set(0);
        repeat_.stop();
    }

    // The repetition `ahead` frames from now, at the gain that it would have then.
    void add_repeated(uint32_t ahead, float& left, float& right) {
        float l, r;
        repeat_.sample(ahead, l, r);
        const float gain = repeated_.next();
        left += l * gain;
        right += r * gain;
    }

    // Frames since the bar line at the block's start: the host's word, else the map's.
    double phase() const {
        Musical place;
        if (block_.musical)
            place = block_.place;
        else if (!map_.place(block_.frame, place))
            return 0;
        return place.quarter * place.quarter_frames(rate_);
    }

    // ---- once a chunk ---------------------------------------------------------------------------------------------
    void take_input(const float* const* inputs, uint32_t done, uint32_t count, Counts& counts) {
        for (uint32_t channel = 0; channel < 2; ++channel) {
            const float* plane = inputs && inputs[channel] ? inputs[channel] + done : nullptr;
            for (uint32_t i = 0; i < count; ++i)
                input_[channel][i] = plane ? scrubbed(plane[i], counts.scrubbed) : 0.0f;
        }
    }

    // Copies the chunk and 25 ms beyond it out of the cache, and counts for each frame how far it is known from there.
    void look(TimelineCache& cache, const Position& at, int64_t first, uint32_t count, Counts& counts) {
        const uint32_t window = count + look_;
        run_[window] = 0;
        if (!at.playing || !on_grid_ || settings_.muted || map_.empty()) {
            std::fill(run_.begin(), run_.begin() + window, 0u);
        } else {
            read(cache, first, count, window, counts);
            for (uint32_t i = window; i-- > 0;) run_[i] = known_[i] ? run_[i + 1] + 1 : 0;
        }
    }

    // Slot by slot: one that the engine is writing is missing where it must sound, but beyond the chunk it is only not
    // known yet, and the next chunk looks again.
    void read(TimelineCache& cache, int64_t first, uint32_t count, uint32_t window, Counts& counts) {
        for (uint32_t at = 0; at < window;) {
            const int64_t frame = first + at;
            const uint32_t into = frame < 0 ? 0 : static_cast<uint32_t>(frame % SLOT_FRAMES);
            const uint32_t frames = std::min(window - at, frame < 0 ? SLOT_FRAMES : SLOT_FRAMES - into);
            const ReadResult found = cache.read(frame, frames, &left_[at], &right_[at], &known_[at]);
            counts.torn += found.torn && at < count;
            if (found.torn && at >= count) std::fill_n(known_.begin() + at, frames, uint8_t{1});
            at += frames;
        }
    }

    // What the voice would play next is the reserve: it fades out from there if it is gone when the next chunk looks.
    void remember(uint32_t count) {
        if (!open_) return;
        std::copy_n(left_.begin() + count, fade_, reserve_[0].begin());
        std::copy_n(right_.begin() + count, fade_, reserve_[1].begin());
    }

    // ---- once a frame ---------------------------------------------------------------------------------------------
    void decide(int64_t frame, uint32_t i) {
        if (open_) {
            if (run_[i] <= fade_) close(frame, i);
        } else if (run_[i] >= look_) {
            const bool begins = started_ || (frame == 0 && !fresh_);
            if (fresh_ || begins)
                open(begins && on_line(frame) ? 0 : fade_);
            else if (frame == next_line(line_, frame, 0) || frame + rise_ == next_line(landing_, frame, rise_))
                open(rise_);
        }
        if (!open_ && !gap_) {
            gap_ = true;
            cover(frame);
        }
        aim_fallbacks(frame);
        fresh_ = started_ = carried_ = false;
    }

    // The first line to come back on at or after `frame + lead`, kept until it is passed.
    int64_t next_line(int64_t& kept, int64_t frame, int64_t lead) {
        if (kept == NO_FRAME || kept < frame + lead) kept = map_.next_line(frame + lead, sought_ ? SOUGHT_PARTS : 1);
        return kept;
    }

    bool on_line(int64_t frame) {
        const int64_t line = map_.next_line(frame - 1);
        return line != NO_FRAME && line <= frame + 1;
    }

    void open(uint32_t frames) {
        open_ = true;
        gap_ = sought_ = false;
        line_ = landing_ = NO_FRAME;
        voice_.set(frames == 0 ? 1.0f : 0.0f);
        voice_.aim(1.0f, frames);
        const uint32_t out = frames == 0 ? fade_ : frames;
        repeated_.aim(0, out);
        passed_.aim(0, out);
        if (!carried_) repeat_.begin_run();
    }

    // The cache ends within 5 ms (or is gone): what is left fades out as a tail.
    void close(int64_t frame, uint32_t i) {
        const uint32_t there = run_[i];
        tail_.add([&](uint32_t k, float& left, float& right) {
            const float gain = voice_.next();
            const bool reserved = k >= there && i + k < fade_;
            if (k >= there && !reserved) return;
            left = (reserved ? reserve_[0][i + k] : left_[i + k]) * gain;
            right = (reserved ? reserve_[1][i + k] : right_[i + k]) * gain;
        });
        open_ = false;
        gap_ = true;
        closing_ = there;
        voice_.set(0);
        cover(frame);
    }

    // Gets the repetition ready at `frame`.
    void cover(int64_t frame) {
        Musical place;
        const double later = static_cast<double>(frame - block_.frame);
        if (block_.musical)
            place = block_.place.after(later, rate_);
        else if (!map_.place(frame, place))
            return;
        repeat_.arm(place, place.quarter * place.quarter_frames(rate_));
    }

    void aim_fallbacks(int64_t frame) {
        const bool covered = gap_ && settings_.live && !settings_.muted && frame >= 0;
        if (!covered && open_) return;  // the voice's fade in has taken them along
        repeated_.aim(covered && settings_.fallback == REPEAT && repeat_.armed() ? 1.0f : 0.0f, fade_);
        passed_.aim(covered && settings_.fallback == INPUT ? 1.0f : 0.0f, fade_);
    }

    void play(int64_t frame, uint32_t i, float* left_out, float* right_out, Counts& counts) {
        float left = 0, right = 0;
        if (open_) {
            const float voice = voice_.next();
            left = scrubbed(left_[i], counts.scrubbed) * voice;
            right = scrubbed(right_[i], counts.scrubbed) * voice;
        }
        tail_.take(left, right, counts.scrubbed);
        if (open_) repeat_.heard(left, right);
        count(frame, counts);
        const float repeated = repeated_.next();
        if (repeat_.armed()) {
            float l, r;
            repeat_.sample(0, l, r);
            repeat_.step();
            left += l * repeated;
            right += r * repeated;
            if (open_ && repeated_.still()) repeat_.stop();
        }
        const float gain = gain_.next(), dry = dry_.next(), passed = passed_.next();
        const float input = dry + (1.0f - std::min(dry, 1.0f)) * passed;
        left_out[i] = scrubbed(mixed(left * gain, input_[0][i], input), counts.scrubbed);
        right_out[i] = scrubbed(mixed(right * gain, input_[1][i], input), counts.scrubbed);
    }

    static float mixed(float generated, float input, float level) {
        return level == 0.0f ? generated : generated + input * level;
    }

    void count(int64_t frame, Counts& counts) {
        if (!rolling_) {
            missing_ = false;
            return;
        }
        const bool sounds = open_ || closing_ > 0;
        if (closing_ > 0) --closing_;
        counts.played += sounds;
        const bool missed = !sounds && settings_.live && !settings_.muted && frame >= 0;
        counts.missed += missed;
        if (missed && !missing_) {
            ++counts.misses;
            counts.last_miss_frame = frame;
        }
        missing_ = missed;
    }

    double rate_ = 48000;
    uint32_t fade_ = 240, rise_ = 960, look_ = 1200;
    TempoMap map_;
    Repeat repeat_;
    Position block_;
    Settings settings_;
    Tail tail_;
    std::vector<float> left_, right_, input_[2], reserve_[2];
    std::vector<uint8_t> known_;
    std::vector<uint32_t> run_;
    Ramp voice_, repeated_, passed_, gain_, dry_;
    bool open_ = false;     // the voice plays
    bool gap_ = false;      // playing without the voice
    bool rolling_ = false;  // the transport rolled in the last block
    bool missing_ = false;  // the last frame was missed
    bool fresh_ = false;    // this frame is the first after a start or a jump
    bool started_ = false;  // ... after a start
    bool carried_ = false;  // ... and the voice was open before it
    bool sought_ = false;   // a start or a jump led to where the voice is not open yet
    bool on_grid_ = true;
    uint32_t closing_ = 0;
    int64_t expected_ = 0, line_ = NO_FRAME, landing_ = NO_FRAME;
    uint64_t jumps_ = 0;
};

}  // namespace attacca
