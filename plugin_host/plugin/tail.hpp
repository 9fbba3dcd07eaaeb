// What has to stop sounding, on its way out: a few milliseconds that were faded when they were laid down.
//
// Threading: `prepare` allocates; everything else is the audio thread's and neither allocates, locks nor calls the
// system. Several ends may overlap: they add up.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include "fades.hpp"

namespace attacca {

class Tail {
  public:
    void prepare(uint32_t frames) {
        length_ = frames;
        left_.assign(frames, 0.0f);
        right_.assign(frames, 0.0f);
        at_ = 0;
    }
    void clear() {
        std::fill(left_.begin(), left_.end(), 0.0f);
        std::fill(right_.begin(), right_.end(), 0.0f);
    }

    // Lays down what `of(index, left, right)` gives for `length` frames from now on, fading out, on what still sounds.
    template <class Of>
    void add(Of&& of) {
        for (uint32_t index = 0; index < length_; ++index) {
            float left = 0, right = 0;
            of(index, left, right);
            const float out = 1.0f - smooth(index, length_);
            const uint32_t place = (at_ + index) % length_;
            left_[place] += left * out;
            right_[place] += right * out;
        }
    }

    // Adds this frame of it; the next call is the next frame.
    void take(float& left, float& right, uint64_t& scrubbed_samples) {
        left += scrubbed(left_[at_], scrubbed_samples);
        right += scrubbed(right_[at_], scrubbed_samples);
        left_[at_] = right_[at_] = 0.0f;
        if (++at_ == length_) at_ = 0;
    }

  private:
    std::vector<float> left_, right_;
    uint32_t length_ = 1, at_ = 0;
};

}  // namespace attacca
