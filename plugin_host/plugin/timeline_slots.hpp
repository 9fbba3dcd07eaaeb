// Slots of 256 frames behind tags: one slot read, one slot captured.
//
// Threading: for the audio thread; two looks at a slot that the other process writes, then it is missing.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "timeline_layout.hpp"
#include "timeline_seqlock.hpp"

namespace attacca {

constexpr int TRIES = 2;
constexpr int64_t PROJECT_FRAMES = int64_t(PROJECT_PAGES) * PAGE_FRAMES;

/// One past the last frame of a span that slots can address.
inline int64_t end_of(int64_t first_frame, uint32_t frames) {
    return first_frame >= PROJECT_FRAMES ? 0 : std::min(first_frame + int64_t(frames), PROJECT_FRAMES);
}

/// Frames begin..end of a slot.
struct Range {
    uint32_t begin, end;
};

/// What `read` found. leading: valid frames from the first one on, without a gap. valid: valid frames in all.
/// torn: slots that were being written at both looks.
struct ReadResult {
    uint32_t leading = 0;
    uint32_t valid = 0;
    uint32_t torn = 0;
};

/// The engine's slots of one generation.
struct SlotReader {
    const uint32_t* page_table;
    const Tag* tags;
    const float* audio;
    uint32_t pages;
    uint32_t generation;

    /// Copies begin..upto of a slot to `left` and `right` (which stand for `begin`); -> what of it is held.
    Range read(int64_t slot, uint32_t begin, uint32_t upto, float* left, float* right, uint32_t& torn) const {
        const Range none = {begin, begin};
        for (int n = 0; n < TRIES; ++n) {
            const uint32_t entry = load_acquire(page_table + slot / PAGE_SLOTS);
            if (entry == 0 || entry > pages)
                return none;
            const uint64_t place = uint64_t(entry - 1) * PAGE_SLOTS + uint64_t(slot % PAGE_SLOTS);
            Tag tag{};
            if (!get_block(tag, tags + place, 1)) {
                if (load_relaxed(&tags[place].seq) == 0)
                    return none;
                continue;
            }
            if (tag.slot != slot || tag.generation != generation || tag.end > SLOT_FRAMES)
                return none;
            const Range held = {std::max<uint32_t>(begin, tag.begin), std::min<uint32_t>(upto, tag.end)};
            if (held.begin >= held.end)
                return none;
            if (copy(place, begin, held, left, right, tag.seq))
                return held;
        }
        ++torn;
        return none;
    }

  private:
    /// False, and zeros, where the slot was written meanwhile.
    bool copy(uint64_t place, uint32_t begin, Range held, float* left, float* right, uint64_t seq) const {
        const float* const planes = audio + place * CHANNELS * SLOT_FRAMES;
        const uint32_t at = held.begin - begin, count = held.end - held.begin;
        load_samples(left + at, planes + held.begin, count);
        load_samples(right + at, planes + SLOT_FRAMES + held.begin, count);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (load_relaxed(&tags[place].seq) == seq)
            return true;
        std::memset(left + at, 0, count * sizeof(float));
        std::memset(right + at, 0, count * sizeof(float));
        return false;
    }
};

/// Writes `count` frames at `begin` of a slot into the context ring. What the slot holds stays where both touch.
inline void capture_slot(ContextTag* tags, float* audio, int64_t slot, uint32_t begin, uint32_t count,
                         const float* left, const float* right) {
    const uint64_t place = uint64_t(slot) % CONTEXT_SLOTS;
    ContextTag* const shared = tags + place;
    ContextTag tag{};
    load_words(&tag, shared, sizeof tag);
    const uint32_t end = begin + count;
    const bool joins = tag.slot == slot && tag.begin < tag.end && begin <= tag.end && end >= tag.begin;
    tag.begin = uint16_t(joins ? std::min<uint32_t>(begin, tag.begin) : begin);
    tag.end = uint16_t(joins ? std::max<uint32_t>(end, tag.end) : end);
    tag.slot = slot;
    float* const planes = audio + place * CHANNELS * SLOT_FRAMES;
    const uint64_t odd = begin_write(&shared->seq);
    store_samples(planes + begin, left, count);
    store_samples(planes + SLOT_FRAMES + begin, right, count);
    store_words(&shared->slot, &tag.slot, sizeof tag - offsetof(ContextTag, slot));
    end_write(&shared->seq, odd);
}

}  // namespace attacca
