// From what a host tells about time to the position that the plugin reports and plays by.
//
// Hosts tell different things: VST3 the quarters since the project's start and (some rightly) the quarters at the bar
// line, CLAP the bar's number as well but the frame only as seconds, LV2 bar and beat, coarse, and only when something
// changes. What is not told is counted on from the last block; within a host's accuracy the published map decides.
//
// Threading: `at` belongs to the audio thread, once a block, and is bounded by a search in the map.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>

#include "position.hpp"
#include "tempo_map.hpp"

namespace attacca {

constexpr double UNTOLD = -1e300;  // of a number that the host did not tell
constexpr int64_t UNTOLD_FRAME = INT64_MIN;

struct HostTime {
    int64_t frame = UNTOLD_FRAME;
    bool playing = false;
    bool musical = false;      // tempo and meter are told, and a place or where to count on from
    double quarters = UNTOLD;  // since the project's start (LV2: since the bar line)
    double line = UNTOLD;      // quarters at the bar line
    double bar = UNTOLD;       // 0-based
    double tempo = 120;
    uint32_t numerator = 4, denominator = 4;
    double loop_first = 0, loop_last = 0;  // quarters; equal: none
    double coarse = 0;                     // quarters that `quarters` may be off, either way
    int64_t jitter = 0;                    // frames that `frame` may be off
    int64_t offset = 0;                    // frames into the block where the place, tempo and meter hold
};

class BarClock {
  public:
    explicit BarClock(double rate = 48000) : rate_(rate) {}

    // The position of a block of `frames`, which begins at `told`. What holds from within the block on (a tempo that
    // changes there) is counted from at the next block.
    Position at(HostTime told, uint32_t frames, const TempoMap& map) {
        const HostTime later = told;
        const bool within = told.offset > 0 && told.offset < static_cast<int64_t>(frames) && told_number(told.bar);
        if (within) take_back(told);
        const Position now = begin(told, frames, map);
        if (within && now.musical) place_ = later_place(later).after(static_cast<double>(frames - later.offset), rate_);
        return now;
    }

  private:
    static Musical later_place(const HostTime& told) {
        Musical place;
        place.bar = static_cast<int64_t>(told.bar);
        place.quarter = told_number(told.line) ? told.quarters - told.line : told.quarters;
        place.tempo = told.tempo;
        place.numerator = told.numerator;
        place.denominator = told.denominator;
        return place.sane() ? place : Musical();
    }

    // Counts on from the last block where it can, else back from the place within this one.
    void take_back(HostTime& told) const {
        if (known_ && place_known_ && told.frame == next_) {
            told.quarters = told.line = told.bar = UNTOLD;
            told.tempo = place_.tempo;
            told.numerator = place_.numerator;
            told.denominator = place_.denominator;
            return;
        }
        const Musical place = later_place(told).after(-static_cast<double>(told.offset), rate_);
        told.bar = static_cast<double>(place.bar);
        told.quarters = place.quarter;
        told.line = UNTOLD;
    }

    Position begin(const HostTime& told, uint32_t frames, const TempoMap& map) {
        Position now;
        now.playing = told.playing;
        now.musical = told.musical;
        now.coarse = told.coarse;
        now.place.tempo = told.tempo;
        now.place.numerator = told.numerator;
        now.place.denominator = told.denominator;
        if (now.musical) now.musical = now.place.sane();
        const bool follows = known_ && quarters_follow(told);
        now.frame = frame_of(told, now.place, follows, map);
        if (now.musical) find_place(told, now, map);
        loop(told, now);
        now = sane(now);
        keep(told, now, frames);
        return now;
    }

    static bool told_number(double value) { return finite(value) && value > UNTOLD; }

    // Whether the quarters are where the last block ended (hosts that do not tell quarters always are).
    bool quarters_follow(const HostTime& told) const {
        if (!told_number(told.quarters) || !told_number(quarters_)) return true;
        return std::fabs(told.quarters - quarters_) < 1e-3;
    }

    int64_t frame_of(const HostTime& told, const Musical& tempo, bool follows, const TempoMap& map) const {
        if (told.frame != UNTOLD_FRAME) {
            const bool same = known_ && std::llabs(told.frame - next_) <= told.jitter;
            return same ? next_ : told.frame;
        }
        if (follows || !told_number(told.quarters)) return next_;
        int64_t frame = 0;
        if (told_number(told.bar) && told_number(told.line) &&
            map.frame_of(static_cast<int64_t>(told.bar), told.quarters - told.line, frame))
            return frame;
        return std::llround(told.quarters * tempo.quarter_frames(rate_));
    }

    void find_place(const HostTime& told, Position& now, const TempoMap& map) {
        const bool counted = known_ && place_known_ && now.frame == next_;
        const double bar_quarters = now.place.bar_quarters();
        if (!told_number(told.quarters)) {
            now.musical = place_known_;
            count_on(now, map);
        } else if (told_number(told.bar)) {
            now.place.bar = static_cast<int64_t>(told.bar);
            now.place.quarter = told_number(told.line) ? told.quarters - told.line : told.quarters;
            if (told.coarse > 0 && counted && near_either(now.place, told.coarse)) now.place = place_;
            else if (is_old(told, now)) renew(now, map);
            else if (told.coarse > 0 && counted) change_on_line(now, told.coarse);
            if (told_number(told.bar)) told_ = told;
        } else {
            number(told, counted && told_number(begun_quarters_), bar_quarters, now.place);
        }
        if (told.coarse > 0 && !counted && map.empty()) straighten(now, told.coarse);
        Musical mapped;
        if (map.place(now.frame, mapped) && mapped.same_meter(now.place) &&
            (adopts(told, now.place, mapped) || (told.coarse > 0 && adopts(told, in_quarters(now.place), mapped))))
            now.place = with_tempo(mapped, now.place.tempo);
        on_map_ = map.agrees(now.frame, 1, now.place);
    }

    // Another frame, but the place of before, or where that would have led: JACK tells so for a cycle after a locate
    // and after lost cycles.
    bool is_old(const HostTime& told, const Position& now) const {
        if (!known_ || now.frame == next_ || told.coarse == 0 || (now.playing && !rolled_)) return false;
        const bool stood = told.bar == told_.bar && told.quarters == told_.quarters;
        return stood || (place_known_ && near_either(now.place, told.coarse));
    }

    // The place of a host that does not know it yet: by the map if it stood on it; counted on while it plays.
    void renew(Position& now, const TempoMap& map) const {
        Musical mapped;
        if (place_known_ && on_map_ && map.place(now.frame, mapped)) now.place = mapped;
        else if (place_known_ && now.playing) now.place = place_.after(static_cast<double>(now.frame - next_), rate_);
        else now.musical = false;
    }

    // Another tempo or meter than in the last block, told coarsely: it began on the bar line in between, if that fits.
    void change_on_line(Position& now, double coarse) const {
        const double to_line = (begun_.bar_quarters() - begun_.quarter) * begun_.quarter_frames(rate_);
        const double since = static_cast<double>(step_) - to_line;
        const double quarter = since / now.place.quarter_frames(rate_);
        const bool next_bar = since >= 0 && now.place.bar == begun_.bar + 1;
        if (next_bar && std::fabs(quarter - now.place.quarter) <= coarse + 1e-9) now.place.quarter = quarter;
    }

    // Without a map: bar 0 at frame 0 and one tempo, where that is what a coarse place means.
    void straighten(Position& now, double coarse) const {
        const double bar_quarters = now.place.bar_quarters(), each = now.place.quarter_frames(rate_);
        const double exact = static_cast<double>(now.frame) / each;
        const double told = static_cast<double>(now.place.bar) * bar_quarters + now.place.quarter;
        if (now.frame < 0 || std::fabs(exact - told) > coarse + 1e-9) return;
        now.place.bar = static_cast<int64_t>(std::floor(exact / bar_quarters + 1e-12));
        now.place.quarter = std::max(0.0, exact - static_cast<double>(now.place.bar) * bar_quarters);
    }

    // Nothing told since the last block: by the map if the host stood on it (some never tell that only the meter
    // changed), else under the same tempo and meter.
    void count_on(Position& now, const TempoMap& map) const {
        Musical mapped;
        if (on_map_ && map.place(now.frame, mapped) && std::fabs(mapped.tempo / place_.tempo - 1.0) < 1e-6)
            now.place = with_tempo(mapped, place_.tempo);
        else
            now.place = place_.after(static_cast<double>(now.frame - next_), rate_);
    }

    static Musical with_tempo(Musical place, double tempo) {
        place.tempo = tempo;
        return place;
    }

    // Same meter and tempo, and `exact` within `coarse` of what was told.
    bool near(const Musical& exact, const Musical& told, double coarse) const {
        if (!exact.same_meter(told) || exact.tempo != told.tempo) return false;
        const double bars = static_cast<double>(exact.bar - told.bar);
        const double off = bars * told.bar_quarters() + exact.quarter - told.quarter;
        const double grain = GRID_TOLERANCE_FRAMES / told.quarter_frames(rate_);
        return std::fabs(off) <= coarse + grain;
    }

    // The place where a host counts ticks of a quarter within beats of another length (Ardour's LV2 in 7/8, 2/2).
    static Musical in_quarters(Musical place) {
        const double each = 4.0 / place.denominator;
        const double beat = std::floor(place.quarter / each + 1e-9);
        const double rest = place.quarter / each - beat;
        if (rest < each) place.quarter = (beat + std::max(0.0, rest) / each) * each;
        return place;
    }

    bool near_either(const Musical& told, double coarse) const {
        return near(place_, told, coarse) || near(place_, in_quarters(told), coarse);
    }

    // The bar's number where the host tells only quarters: counted on, else as if the meter had always been this one.
    void number(const HostTime& told, bool counted, double bar_quarters, Musical& place) const {
        const double into = told.quarters - told.line;
        const bool line_told = told_number(told.line) && into >= -1e-6 && into < bar_quarters + 1e-6;
        if (counted) {
            place.bar = begun_.bar;
            place.quarter = begun_.quarter + told.quarters - begun_quarters_;
            if (!place.same_meter(begun_)) {  // the meter changed at the bar line in between
                const bool over = place.quarter > begun_.bar_quarters() - 1e-6;
                if (over) place.quarter -= begun_.bar_quarters();
                place.bar += over;
            }
            const double bars = std::floor(place.quarter / bar_quarters + 1e-9);
            place.bar += static_cast<int64_t>(bars);
            place.quarter = std::max(0.0, place.quarter - bars * bar_quarters);
            if (line_told && std::fabs(place.quarter - into) > 1e-6) {
                place.bar += place.quarter - into > bar_quarters / 2;
                place.quarter = into;
            }
            return;
        }
        const double line = line_told ? told.line : std::floor(told.quarters / bar_quarters) * bar_quarters;
        place.bar = static_cast<int64_t>(std::floor(line / bar_quarters + 1e-6));
        place.quarter = told.quarters - line;
    }

    // Within the host's accuracy the map's place is the exact one; where no bar is told, its number, too.
    bool adopts(const HostTime& told, const Musical& place, const Musical& mapped) const {
        const double grain = GRID_TOLERANCE_FRAMES / mapped.quarter_frames(rate_);
        double off = mapped.quarter - place.quarter;
        if (told_number(told.bar) || !told_number(told.quarters))
            off += static_cast<double>(mapped.bar - place.bar) * mapped.bar_quarters();
        else if (std::fabs(off) > mapped.bar_quarters() / 2)
            off -= std::copysign(mapped.bar_quarters(), off);
        if (told.coarse > 0) return std::fabs(off) <= told.coarse + grain;
        return !told_number(told.bar) && told_number(told.quarters) && std::fabs(off) <= grain &&
               mapped.bar != place.bar;
    }

    void loop(const HostTime& told, Position& now) const {
        if (!now.musical || !(told.loop_first < told.loop_last) || !told_number(told.quarters)) return;
        const double each = now.place.quarter_frames(rate_);
        const double first = (told.loop_first - told.quarters) * each, last = (told.loop_last - told.quarters) * each;
        if (!(std::fabs(first) < 1e13 && std::fabs(last) < 1e13)) return;
        now.looping = true;
        now.loop_first = now.frame + std::llround(first);
        now.loop_last = now.frame + std::llround(last);
    }

    // Where the next block begins if nothing happens.
    void keep(const HostTime& told, const Position& now, uint32_t frames) {
        rolled_ = now.playing;
        const uint32_t step = now.playing ? frames : 0;
        known_ = true;
        next_ = now.frame + step;
        step_ = step;
        place_known_ = now.musical;
        quarters_ = UNTOLD;
        if (!now.musical) return;
        place_ = now.place.after(step, rate_);
        begun_ = now.place;
        begun_quarters_ = told.quarters;
        if (told_number(told.quarters)) quarters_ = told.quarters + step / now.place.quarter_frames(rate_);
    }

    double rate_;
    bool rolled_ = false;  // the last block played
    bool known_ = false, place_known_ = false, on_map_ = false;
    int64_t next_ = 0;
    uint32_t step_ = 0;              // frames of the last block that played
    HostTime told_;                  // the last place that a host told by bars
    double quarters_ = UNTOLD;       // at next_
    Musical place_;                  // at next_
    Musical begun_;                  // at the last block's start
    double begun_quarters_ = UNTOLD;
};

}  // namespace attacca
