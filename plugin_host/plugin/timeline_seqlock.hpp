// Copies between this process and shared memory that another process writes at the same time.
//
// Every access is an atomic of the word's own size, so that no value is half old and half new, and no compiler
// moves it. Whether several words belong together is what a seqlock says: its counter is odd while its writer
// is at work. A reader copies between two looks at the counter.
//
// Threading: nothing here allocates, locks or makes a system call; a reader tries a bounded number of times.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace attacca {

template <class Word>
inline Word load_relaxed(const Word* from) { return __atomic_load_n(from, __ATOMIC_RELAXED); }
template <class Word>
inline Word load_acquire(const Word* from) { return __atomic_load_n(from, __ATOMIC_ACQUIRE); }
template <class Word>
inline void store_relaxed(Word* to, Word value) { __atomic_store_n(to, value, __ATOMIC_RELAXED); }
template <class Word>
inline void store_release(Word* to, Word value) { __atomic_store_n(to, value, __ATOMIC_RELEASE); }

/// Copies `bytes` (a multiple of 8, both ends on a multiple of 8) out of shared memory.
inline void load_words(void* to, const void* from, size_t bytes) {
    const uint64_t* source = static_cast<const uint64_t*>(from);
    for (size_t at = 0; at < bytes; at += 8) {
        const uint64_t word = load_relaxed(source + at / 8);
        std::memcpy(static_cast<char*>(to) + at, &word, 8);
    }
}

/// Copies `bytes` (a multiple of 8) into shared memory.
inline void store_words(void* to, const void* from, size_t bytes) {
    uint64_t* target = static_cast<uint64_t*>(to);
    for (size_t at = 0; at < bytes; at += 8) {
        uint64_t word;
        std::memcpy(&word, static_cast<const char*>(from) + at, 8);
        store_relaxed(target + at / 8, word);
    }
}

/// Copies `count` samples out of shared memory.
inline void load_samples(float* to, const float* from, uint32_t count) {
    for (uint32_t n = 0; n < count; ++n)
        __atomic_load(from + n, to + n, __ATOMIC_RELAXED);
}

/// Copies `count` samples into shared memory.
inline void store_samples(float* to, const float* from, uint32_t count) {
    for (uint32_t n = 0; n < count; ++n) {
        float sample = from[n];
        __atomic_store(to + n, &sample, __ATOMIC_RELAXED);
    }
}

/// Begins a write under a seqlock; a writer that died in the middle is taken over. Give the result to end_write.
inline uint64_t begin_write(uint64_t* seq) {
    const uint64_t odd = load_relaxed(seq) | 1u;
    store_relaxed(seq, odd);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    return odd;
}

inline void end_write(uint64_t* seq, uint64_t odd) { store_release(seq, odd + 1); }

/// Writes all of a block but its first field, the counter.
template <class Block>
inline void put_block(Block* shared, const Block& values) {
    const uint64_t odd = begin_write(&shared->seq);
    store_words(reinterpret_cast<char*>(shared) + 8, reinterpret_cast<const char*>(&values) + 8, sizeof(Block) - 8);
    end_write(&shared->seq, odd);
}

/// Copies a block. False: never written, or being written at each of `tries` looks; `values` is then worth nothing.
template <class Block>
inline bool get_block(Block& values, const Block* shared, int tries) {
    for (int n = 0; n < tries; ++n) {
        const uint64_t before = load_acquire(&shared->seq);
        if (before == 0)
            return false;
        if (before & 1)
            continue;
        load_words(&values, shared, sizeof(Block));
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (load_relaxed(&shared->seq) == before)
            return true;
    }
    return false;
}

}  // namespace attacca
