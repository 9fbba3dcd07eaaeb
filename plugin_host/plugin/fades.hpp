// Ramps of gain, and the scrubbing of samples that are no numbers.
//
// Threading: values of one audio thread; nothing here allocates, locks or calls the system.
#pragma once
#include <cstdint>
#include <cstring>

namespace attacca {

// 0 at 0, 1 at 1, with level ends: smooth(x) + smooth(1 - x) == 1, so that a crossfade of two never exceeds either.
inline float smooth(uint32_t at, uint32_t length) {
    if (at >= length) return 1.0f;
    const float x = static_cast<float>(at) / static_cast<float>(length);
    return x * x * (3.0f - 2.0f * x);
}

// A gain on its way to a target, in a number of frames. At rest it is exactly its target.
class Ramp {
  public:
    explicit Ramp(float value = 0.0f) { set(value); }
    void set(float value) {
        from_ = target_ = value_ = value;
        at_ = length_ = 0;
    }
    // Goes to `target` in `length` frames, from where it is; does nothing when it is on its way there.
    void aim(float target, uint32_t length) {
        if (target == target_) return;
        from_ = value_;
        target_ = target;
        at_ = 0;
        length_ = length;
        if (length == 0) value_ = target;
    }
    // The gain of this frame; the next call is the next frame.
    float next() {
        const float now = value_;
        if (at_ < length_) {
            ++at_;
            value_ = at_ == length_ ? target_ : from_ + (target_ - from_) * smooth(at_, length_);
        }
        return now;
    }
    float value() const { return value_; }
    float target() const { return target_; }
    bool still() const { return at_ >= length_; }

  private:
    float from_ = 0, target_ = 0, value_ = 0;
    uint32_t at_ = 0, length_ = 0;
};

// False for NaN and both infinities; reads the bits, so that no compiler flag makes it a constant.
inline bool finite(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return (bits & 0x7f800000u) != 0x7f800000u;
}

inline bool finite(double value) {
    uint64_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return (bits & 0x7ff0000000000000ull) != 0x7ff0000000000000ull;
}

// The sample, or 0 where it is no number, counted.
inline float scrubbed(float value, uint64_t& count) {
    if (finite(value)) return value;
    ++count;
    return 0.0f;
}

}  // namespace attacca
