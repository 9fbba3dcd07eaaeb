// What was heard last, and its repetition: the fallback "last bar, quieter".
//
// Threading: `prepare` allocates and belongs to whoever prepares; everything else is the audio thread's and neither
// allocates, locks nor calls the system.
#pragma once
#include <cmath>
#include <cstdint>
#include <vector>

#include "fades.hpp"
#include "tempo_map.hpp"

namespace attacca {

constexpr float REPEAT_GAIN = 0.5f;  // -6 dB

class Repeat {
  public:
    // Room for at least 12 s, so that a bar of 4/4 at 20 bpm fits.
    void prepare(double rate, uint32_t fade_frames) {
        uint64_t room = 1;
        while (room < static_cast<uint64_t>(12.5 * rate)) room *= 2;
        left_.assign(room, 0.0f);
        right_.assign(room, 0.0f);
        mask_ = room - 1;
        fade_ = fade_frames;
        rate_ = rate;
        forget();
    }

    void forget() {
        written_ = 0;
        run_ = 0;
        stop();
    }

    // Notes a frame that was heard. A repetition that still sounds keeps what it reads: there is room for both.
    void heard(float left, float right) {
        left_[written_ & mask_] = left;
        right_[written_ & mask_] = right;
        ++written_;
        ++run_;
    }
    // From here on a bar is counted anew: what comes does not follow what was.
    void begin_run() { run_ = 0; }

    // Gets ready to go on with what came one bar (else one beat) before now. `phase_frames` is now's distance from its
    // bar line. With less than a beat heard there is nothing to repeat.
    void arm(const Musical& place, double phase_frames) {
        stop();
        place_ = place;
        const double quarter = place.quarter_frames(rate_);
        if (fits(place.bar_quarters() * quarter))
            period_ = std::llround(place.bar_quarters() * quarter);
        else if (fits(place.beat() * quarter))
            period_ = std::llround(place.beat() * quarter);
        else
            return;
        base_ = written_ - static_cast<uint64_t>(period_);
        phase_ = phase_frames;
        at_ = 0;
    }
    void stop() { period_ = 0; }
    bool armed() const { return period_ > 0; }
    // Under another tempo or meter the bar would be off the grid.
    bool fits_under(const Musical& place) const {
        return place.same_meter(place_) && std::fabs(place.tempo / place_.tempo - 1.0) < 1e-4;
    }

    // The play head jumped: goes on at the same place of the bar as `phase_frames` says.
    void relocate(double phase_frames) {
        if (!armed()) return;
        const int64_t off = std::llround(phase_frames - phase_) % period_;
        at_ = off < 0 ? off + period_ : off;
    }

    // The frame that sounds `ahead` frames from now (at repeat gain); the end of a turn fades over into the next.
    void sample(uint32_t ahead, float& left, float& right) const {
        left = right = 0.0f;
        if (!armed()) return;
        const int64_t at = (at_ + ahead) % period_;
        const uint64_t here = base_ + static_cast<uint64_t>(at);
        left = left_[here & mask_];
        right = right_[here & mask_];
        const int64_t rest = period_ - at;
        if (rest <= static_cast<int64_t>(fade_)) {
            const float in = smooth(fade_ - static_cast<uint32_t>(rest) + 1, fade_ + 1);
            const uint64_t before = here - static_cast<uint64_t>(period_);
            left += (left_[before & mask_] - left) * in;
            right += (right_[before & mask_] - right) * in;
        }
        left *= REPEAT_GAIN;
        right *= REPEAT_GAIN;
    }
    void step() {
        if (armed() && ++at_ == period_) at_ = 0;
    }

  private:
    bool fits(double frames) const {
        const double needed = frames + fade_;
        return frames >= 4.0 * fade_ && needed <= static_cast<double>(run_) &&
               needed + rate_ * 0.1 <= static_cast<double>(mask_);
    }

    std::vector<float> left_, right_;
    uint64_t mask_ = 0, written_ = 0, run_ = 0, base_ = 0;
    uint32_t fade_ = 0;
    int64_t period_ = 0, at_ = 0;
    double rate_ = 48000, phase_ = 0;
    Musical place_;
};

}  // namespace attacca
