// The project's tempo map as the plugin sees it: where a frame lies in its bar, and where the next beat is.
//
// Threading: `load` and all questions belong to the audio thread. Nothing allocates; a question costs a binary search
// and a walk over the beats of one bar.
#pragma once
#include <cmath>
#include <cstdint>

#include "fades.hpp"
#include "timeline_layout.hpp"

namespace attacca {

constexpr double GRID_TOLERANCE_FRAMES = 1.5;
constexpr int64_t NO_FRAME = INT64_MAX;

// A place in a bar, under a tempo and a meter.
struct Musical {
    int64_t bar = 0;     // 0-based
    double quarter = 0;  // quarters since the bar line
    double tempo = 120;  // quarters a minute
    uint32_t numerator = 4, denominator = 4;

    double beat() const { return 4.0 / denominator; }
    double bar_quarters() const { return 4.0 * numerator / denominator; }
    double quarter_frames(double rate) const { return 60.0 * rate / tempo; }
    bool same_meter(const Musical& other) const {
        return numerator == other.numerator && denominator == other.denominator;
    }
    // Whether a host could mean it: a tempo of 1 to 10000, a meter of 1/1 to 999/128, numbers that are numbers.
    bool sane() const {
        return finite(tempo) && tempo >= 1.0 && tempo <= 10000.0 && finite(quarter) && std::fabs(quarter) < 1e6 &&
               numerator >= 1 && numerator <= 999 && denominator >= 1 && denominator <= 128 &&
               std::llabs(bar) < (1ll << 40);
    }
    // The place `frames` later (or earlier) under the same tempo and meter.
    Musical after(double frames, double rate) const {
        Musical there = *this;
        const double quarters = quarter + frames / quarter_frames(rate);
        const double bars = std::floor(quarters / bar_quarters());
        there.bar += static_cast<int64_t>(bars);
        there.quarter = quarters - bars * bar_quarters();
        return there;
    }
};

class TempoMap {
  public:
    // Looks at these segments, which stay where they are until the next call; one that is not sane ends the map.
    void load(double rate, const Segment* segments, uint32_t count) {
        rate_ = rate;
        segments_ = segments;
        count_ = 0;
        while (count_ < count && usable(count_)) ++count_;
    }
    void clear() { count_ = 0; }
    bool empty() const { return count_ == 0; }

    // Where `frame` lies; false before the first segment.
    bool place(int64_t frame, Musical& found) const {
        const uint32_t index = segment_at(frame);
        if (index == NONE) return false;
        found = place_in(index, static_cast<double>(frame));
        return true;
    }

    // Whether a host that claims `host` at `frame` stands where the map says: position within 1.5 frames (and
    // `coarse` quarters more) at the start and, by its tempo, at the end of the block. Beside a
    // segment's border either side of it will do; before the first segment, that one counted backwards.
    bool agrees(int64_t frame, uint32_t frames, const Musical& host, double coarse = 0) const {
        const uint32_t index = segment_at(frame);
        if (index == NONE) return empty() || agrees_in(0, frame, frames, host, coarse);
        if (agrees_in(index, frame, frames, host, coarse)) return true;
        if (index + 1 < count_ && start(index + 1) - static_cast<double>(frame) <= GRID_TOLERANCE_FRAMES &&
            agrees_in(index + 1, frame, frames, host, coarse))
            return true;
        return index > 0 && static_cast<double>(frame) - start(index) <= GRID_TOLERANCE_FRAMES &&
               agrees_in(index - 1, frame, frames, host, coarse);
    }

    // The frame of a place (of the map's own bars); false before the first segment.
    bool frame_of(int64_t bar, double quarter, int64_t& frame) const {
        for (uint32_t index = count_; index-- > 0;) {
            const Musical first = raw(index);
            if (bar < first.bar || (bar == first.bar && quarter < first.quarter - 1e-9)) continue;
            const double bars = static_cast<double>(bar - first.bar);
            const double quarters = bars * first.bar_quarters() + quarter - first.quarter;
            frame = rounded(start(index) + quarters * first.quarter_frames(rate_));
            return true;
        }
        return false;
    }

    // The first line at or after `frame` of beats cut in `parts` from their bar line on; NO_FRAME where the map is empty.
    int64_t next_line(int64_t frame, int parts = 1) const {
        if (count_ == 0) return NO_FRAME;
        uint32_t index = segment_at(frame);
        if (index == NONE) {
            index = 0;
            frame = rounded(start(0));
        }
        for (; index < count_; ++index) {
            const int64_t line = line_in(index, frame, parts);
            if (index + 1 == count_ || line < rounded(start(index + 1))) return line;
            const int64_t border = rounded(start(index + 1));
            if (border > frame) frame = border;
        }
        return NO_FRAME;
    }

  private:
    static constexpr uint32_t NONE = UINT32_MAX;

    static int64_t rounded(double frame) { return static_cast<int64_t>(std::floor(frame + 0.5)); }
    double start(uint32_t index) const {
        return static_cast<double>(segments_[index].frame) + segments_[index].fraction;
    }

    Musical raw(uint32_t index) const {
        const Segment& s = segments_[index];
        Musical place;
        place.bar = s.bar;
        place.quarter = s.quarter;
        place.tempo = s.tempo;
        place.numerator = s.numerator;
        place.denominator = s.denominator;
        return place;
    }

    bool usable(uint32_t index) const {
        const Segment& s = segments_[index];
        if (!raw(index).sane() || !finite(s.fraction) || s.fraction < 0 || s.fraction >= 1) return false;
        if (std::llabs(s.frame) >= (1ll << 48)) return false;
        return index == 0 || start(index) >= start(index - 1);
    }

    uint32_t segment_at(int64_t frame) const {
        uint32_t low = 0, high = count_;
        while (low < high) {
            const uint32_t middle = (low + high) / 2;
            if (start(middle) <= static_cast<double>(frame))
                low = middle + 1;
            else
                high = middle;
        }
        return low == 0 ? NONE : low - 1;
    }

    Musical place_in(uint32_t index, double frame) const { return raw(index).after(frame - start(index), rate_); }

    bool agrees_in(uint32_t index, int64_t frame, uint32_t frames, const Musical& host, double coarse) const {
        const Musical mine = place_in(index, static_cast<double>(frame));
        if (!mine.same_meter(host)) return false;
        const double bars = static_cast<double>(host.bar - mine.bar);
        const double off = (bars * mine.bar_quarters() + host.quarter - mine.quarter) * mine.quarter_frames(rate_);
        const double drift = frames * (host.tempo / mine.tempo - 1.0);
        return std::fabs(off) <= GRID_TOLERANCE_FRAMES + coarse * mine.quarter_frames(rate_) &&
               std::fabs(drift) <= GRID_TOLERANCE_FRAMES;
    }

    int64_t line_in(uint32_t index, int64_t frame, int parts) const {
        const Musical first = raw(index);
        const double since = static_cast<double>(frame) - start(index);
        const double quarters = first.quarter + since / first.quarter_frames(rate_);
        const double beat = first.beat() / parts;
        const double bar = std::floor(quarters / first.bar_quarters()) * first.bar_quarters();
        const double beats = std::floor((quarters - bar) / beat);
        for (int step = -1; step < 3; ++step) {
            const double line = bar + (beats + step) * beat;
            const int64_t found = rounded(start(index) + (line - first.quarter) * first.quarter_frames(rate_));
            if (found >= frame) return found;
        }
        return frame;
    }

    const Segment* segments_ = nullptr;
    uint32_t count_ = 0;
    double rate_ = 48000;
};

}  // namespace attacca
