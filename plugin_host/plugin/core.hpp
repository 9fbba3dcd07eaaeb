// All of the plugin but its format: cache, player, parameters, words and the reports of one instance.
//
// Threading: three kinds of callers. The *audio* thread calls `process` (and `note` after it): it allocates,
// locks and waits for nothing and makes no system call; the one loop over a word that another thread writes ends after
// one try. *Any* thread calls `set` and `get`: atomics. *Main* threads call `open`, `close` and `set_words`: they take
// a mutex that the audio thread never looks at, and they may allocate. A cache that has to change while the audio
// thread runs (an instance id recalled with a project) is handed over by an atomic pointer and taken at the start of a
// block; the old one, whose file is gone by then, comes back the same way and is freed by the next main call.
#pragma once
#include <atomic>
#include <cmath>
#include <memory>
#include <mutex>
#include <string>

#include "bar_clock.hpp"
#include "parameters.hpp"
#include "player.hpp"
#include "timeline_cache.hpp"

namespace attacca {

struct Prompts {
    std::string a = "", b = "";
    int64_t seed = 0;
};

class Core {
  public:
    explicit Core(const char* title) : title_(title) {
        for (uint32_t i = 0; i < PARAMETERS; ++i) values_[i].store(PARAMETER_FACTS[i].usual);
    }
    ~Core() { close(); }
    Core(const Core&) = delete;
    Core& operator=(const Core&) = delete;

    // ---- main threads ---------------------------------------------------------------------------------------------

    // Gets ready to play at `rate`: a cache of its own under the instance id (a new id where that is taken), unless
    // there is one for this rate. "" or a sentence; without a cache the input passes through.
    std::string open(double rate, double minutes = 5.0, const std::string& folder = cache_folder()) {
        const std::lock_guard<std::mutex> held(main_);
        collect();
        if (current_ && rate_ == rate) {
            player_.reset();
            return "";
        }
        rate_ = rate;
        minutes_ = minutes;
        folder_ = folder;
        let_go();
        player_.prepare(rate);
        clock_ = BarClock(rate);
        auto made = std::make_unique<TimelineCache>();
        const std::string problem = make(*made);
        if (problem.empty()) current_ = std::move(made);
        published_ = false;
        return problem;
    }

    // Lets go of the cache. Never while `process` runs.
    void close() {
        const std::lock_guard<std::mutex> held(main_);
        let_go();
    }

    // Takes an instance id from a project; while playing, the cache changes at the start of a block.
    std::string set_instance(const std::string& instance) {
        const std::lock_guard<std::mutex> held(main_);
        collect();
        if (!is_instance(instance) || instance == instance_) return "";
        instance_ = instance;
        if (rate_ == 0) return "";
        TimelineCache* const old = named_;
        auto made = std::make_unique<TimelineCache>();
        const std::string problem = make(*made);
        if (!problem.empty()) return problem;
        if (old != nullptr) old->disown();
        delete next_.exchange(made.release());
        return "";
    }

    // The id to save with the project: that of the cache, which is new where the wished one was taken.
    std::string instance() const {
        const std::lock_guard<std::mutex> held(main_);
        return instance_;
    }

    Prompts prompts() const {
        const std::lock_guard<std::mutex> held(main_);
        return prompts_;
    }

    void set_prompts(const Prompts& prompts) {
        const std::lock_guard<std::mutex> held(main_);
        prompts_ = prompts;
        collect();
        if (named_ != nullptr) say_words(*named_);
    }

    // ---- any thread -----------------------------------------------------------------------------------------------

    void set(uint32_t parameter, float value) {
        if (parameter >= BARS_READY || !finite(value)) return;
        const ParameterFacts& facts = PARAMETER_FACTS[parameter];
        value = std::min(std::max(value, facts.least), facts.most);
        if (facts.kind != Kind::number) value = std::round(value);
        const float before = values_[parameter].exchange(value);
        const bool rises = value > 0.5f && before <= 0.5f;
        if (parameter == CONTINUE && rises) continues_.fetch_add(1);
        if (parameter == PANIC && rises) panics_.fetch_add(1);
        if (parameter == LIVE && rises) revivals_.fetch_add(1);
    }
    float get(uint32_t parameter) const { return parameter < PARAMETERS ? values_[parameter].load() : 0.0f; }

    // ---- the audio thread -----------------------------------------------------------------------------------------

    // Plays a block that begins where the host says. Two planes in (or null), two planes out.
    void process(const HostTime& told, const float* const* inputs, float* const* outputs, uint32_t frames,
                 int64_t monotonic_ns) {
        exchange_cache();
        TimelineCache& cache = current_ ? *current_ : none_;
        player_.refresh(cache);
        position_ = clock_.at(told, frames, player_.map());
        now_ns_ = monotonic_ns;
        if (cache.is_open()) {
            report(cache, frames);
            turn_knobs(cache);
        }
        Counts counts;
        player_.process(cache, position_, settings(), inputs, outputs, frames, counts);
        if (cache.is_open()) tell(cache, counts);
    }

    // A MIDI message `offset` frames into the block that was processed last.
    void note(uint32_t offset, const uint8_t* data, uint32_t size, int64_t monotonic_ns) {
        if (current_) current_->push_note(position_.frame + offset, data, size, monotonic_ns);
    }

    const Position& position() const { return position_; }
    TimelineCache* cache() const { return current_.get(); }

  private:
    std::string make(TimelineCache& cache) {
        if (instance_.empty()) instance_ = new_instance();
        const uint32_t rate_hz = static_cast<uint32_t>(std::lround(rate_));
        const std::string problem = cache.create(instance_, rate_hz, minutes_, folder_);
        if (!problem.empty()) return problem;
        instance_ = cache.instance();
        named_ = &cache;
        say_words(cache);
        return "";
    }

    void say_words(TimelineCache& cache) {
        cache.set_words(prompts_.seed, prompts_.a.c_str(), prompts_.b.c_str(), title_);
    }

    void let_go() {
        collect();
        delete next_.exchange(nullptr);
        named_ = nullptr;
        current_.reset();
        player_.change_cache();
    }

    // Frees what the audio thread gave back.
    void collect() { delete retired_.exchange(nullptr); }

    void exchange_cache() {
        if (retired_.load(std::memory_order_acquire) != nullptr) return;
        TimelineCache* const taken = next_.exchange(nullptr, std::memory_order_acq_rel);
        if (taken == nullptr) return;
        retired_.store(current_.release(), std::memory_order_release);
        current_.reset(taken);
        player_.change_cache();
        published_ = false;
    }

    Settings settings() {
        Settings now;
        const float gain_db = get(OUTPUT_GAIN);
        if (gain_db != gain_db_) {
            gain_db_ = gain_db;
            gain_ = gain_db == 0.0f ? 1.0f : gain_db <= -60.0f ? 0.0f : std::pow(10.0f, gain_db / 20.0f);
        }
        now.gain = gain_;
        now.dry = get(DRY);
        now.fallback = static_cast<uint32_t>(get(FALLBACK));
        now.live = get(LIVE) > 0.5f;
        const uint64_t panics = panics_.load(), wakes = continues_.load() + revivals_.load();
        if (panics != panics_seen_) muted_ = true;
        else if (wakes != wakes_seen_) muted_ = false;
        panics_seen_ = panics;
        wakes_seen_ = wakes;
        now.muted = muted_;
        return now;
    }

    void report(TimelineCache& cache, uint32_t frames) {
        Transport block{};
        block.frame = position_.frame;
        block.monotonic_ns = now_ns_;
        block.flags = (position_.playing ? PLAYING : 0u) | (position_.looping ? LOOPING : 0u) |
                      (position_.musical ? MUSICAL : 0u);
        block.block_frames = frames;
        block.bar = position_.place.bar;
        block.quarter = position_.place.quarter;
        block.tempo = position_.place.tempo;
        block.numerator = position_.place.numerator;
        block.denominator = position_.place.denominator;
        block.loop_first = position_.loop_first;
        block.loop_last = position_.loop_last;
        block.jumps = player_.jumps() + player_.jumped(position_);
        block.blocks = ++blocks_;
        cache.report(block);
    }

    // Publishes the knobs when one has moved.
    void turn_knobs(TimelineCache& cache) {
        Knobs now{};
        now.intensity_db = get(INTENSITY);
        now.blend = get(BLEND);
        now.guidance = get(GUIDANCE);
        now.look_ahead_bars = get(LOOK_AHEAD);
        now.live = get(LIVE) > 0.5f;
        now.hold = static_cast<uint32_t>(get(HOLD));
        now.continues = continues_.load();
        now.panics = panics_.load();
        if (published_ && std::memcmp(&now, &knobs_, sizeof now) == 0) return;
        published_ = true;
        knobs_ = now;
        now.monotonic_ns = now_ns_;
        now.frame = position_.frame;
        cache.set_knobs(now);
    }

    void tell(TimelineCache& cache, const Counts& counts) {
        cache.add(&Counters::blocks, 1);
        if (counts.played) cache.add(&Counters::played_frames, counts.played);
        if (counts.missed) cache.add(&Counters::missed_frames, counts.missed);
        if (counts.torn) cache.add(&Counters::torn_slots, counts.torn);
        if (counts.off_grid) cache.add(&Counters::off_grid_blocks, counts.off_grid);
        if (counts.scrubbed) cache.add(&Counters::scrubbed_samples, counts.scrubbed);
        if (counts.misses) {
            cache.add(&Counters::misses, counts.misses);
            cache.set_last_miss(counts.last_miss_frame);
            misses_ += counts.misses;
            values_[MISSES].store(static_cast<float>(misses_));
        }
        Engine engine{};
        if (cache.status(engine)) values_[BARS_READY].store(static_cast<float>(std::floor(engine.bars_ready)));
    }

    const char* title_;
    mutable std::mutex main_;
    Prompts prompts_;
    std::string instance_ = "", folder_;
    double rate_ = 0, minutes_ = 5;
    TimelineCache* named_ = nullptr;  // the newest cache: whose words the main threads write

    std::atomic<TimelineCache*> next_{nullptr}, retired_{nullptr};
    std::atomic<float> values_[PARAMETERS];
    std::atomic<uint64_t> continues_{0}, panics_{0}, revivals_{0};

    std::unique_ptr<TimelineCache> current_;  // the audio thread's between open and close
    TimelineCache none_;                      // closed: what plays without one
    Player player_;
    BarClock clock_;
    Position position_;
    Knobs knobs_{};
    bool published_ = false, muted_ = false;
    float gain_db_ = 0, gain_ = 1;
    uint64_t panics_seen_ = 0, wakes_seen_ = 0, blocks_ = 0, misses_ = 0;
    int64_t now_ns_ = 0;
};

}  // namespace attacca
