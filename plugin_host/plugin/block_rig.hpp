// What a host without a DAW is made of: a schedule of blocks, threads that keep it, a scripted transport.
//
// Threading: `Commands` is a ring from one reading thread to one audio thread; neither waits for the other. All else
// is plain values, each of one thread. `enter_realtime` and `sleep_until` are system calls, outside of the blocks.
#pragma once
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>

namespace rig {

constexpr int64_t SECOND_NS = 1000000000;
constexpr int PRIORITY = 60;

inline int64_t now_ns() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return int64_t(now.tv_sec) * SECOND_NS + now.tv_nsec;
}

/// Block k is due at an exact place of the monotonic clock; no error adds up.
struct Schedule {
    int64_t start_ns = 0;
    uint32_t rate = 48000, block = 128;
    int64_t due_ns(uint64_t k) const {
        return start_ns + int64_t(k * block * uint64_t(SECOND_NS) / rate);
    }
};

inline void sleep_until(int64_t at_ns) {
    const timespec at{time_t(at_ns / SECOND_NS), long(at_ns % SECOND_NS)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr) == EINTR) {
    }
}

/// Makes the calling thread SCHED_FIFO. "" or a sentence.
inline std::string enter_realtime() {
    sched_param wanted{};
    wanted.sched_priority = PRIORITY;
    const int error = pthread_setschedparam(pthread_self(), SCHED_FIFO, &wanted);
    if (error == 0)
        return "";
    return std::string("SCHED_FIFO is not permitted here (") + std::strerror(error) +
           "): both threads run as ordinary ones; allow it with ulimit -r 95 or the group audio";
}

/// Keeps all memory of the process in RAM. "" or a sentence.
inline std::string lock_memory() {
    if (mlockall(MCL_CURRENT | MCL_FUTURE) == 0)
        return "";
    return std::string("memory cannot be locked (") + std::strerror(errno) + "): a page fault may make a block late";
}

enum class Do : uint32_t { PLAY, STOP, LOCATE, NOTE, SET };

/// One line of the script. block: the first block that obeys; 0: the next one.
struct Command {
    uint64_t block = 0;
    Do what = Do::PLAY;
    uint32_t size = 0;
    int64_t frame = 0;
    uint32_t parameter = 0;
    double value = 0;
    uint8_t bytes[4] = {};
};

/// Commands in the order in which they came; each waits for its block, and those behind it with it.
class Commands {
public:
    bool push(const Command& command) {
        const uint64_t written = written_.load(std::memory_order_relaxed);
        if (written - read_.load(std::memory_order_acquire) >= ROOM)
            return false;
        ring_[written % ROOM] = command;
        written_.store(written + 1, std::memory_order_release);
        return true;
    }
    bool pop(uint64_t block, Command& found) {
        const uint64_t read = read_.load(std::memory_order_relaxed);
        if (read == written_.load(std::memory_order_acquire) || ring_[read % ROOM].block > block)
            return false;
        found = ring_[read % ROOM];
        read_.store(read + 1, std::memory_order_release);
        return true;
    }

private:
    static constexpr uint64_t ROOM = 16384;
    std::vector<Command> ring_ = std::vector<Command>(ROOM);
    std::atomic<uint64_t> written_{0}, read_{0};
};

/// Where a frame lies under one tempo (thousandths of quarters a minute) and one meter from frame 0 on: exact
/// integers, for frames below 2^40.
struct Bars {
    int64_t tempo_milli = 120000;
    uint32_t rate = 48000, numerator = 4, denominator = 4;
    void place(int64_t frame, int64_t& bar, double& quarter) const {
        const int64_t bar_length = int64_t(60000) * rate * 4 * numerator;
        const int64_t at = frame * tempo_milli * denominator;
        int64_t whole = at / bar_length, rest = at % bar_length;
        if (rest < 0) {
            rest += bar_length;
            --whole;
        }
        bar = whole;
        quarter = double(rest) / (60000.0 * rate * denominator);
    }
};

constexpr uint32_t ROLLING = 1, OFF_GRID = 2, JUMPED = 4;

/// What the log keeps of a block; 40 bytes, written to the file as it is.
struct BlockRow {
    int64_t frame = 0;        // project frame of its start
    int64_t miss_frame = -1;  // where a miss began in it
    int32_t late_ns = 0;      // wake-up after it was due
    int32_t work_ns = 0;      // from wake-up to the end of the block's work
    uint32_t played = 0, missed = 0;
    uint32_t flags = 0;  // ROLLING, OFF_GRID, JUMPED
    uint32_t torn = 0;
};
static_assert(sizeof(BlockRow) == 40);

/// When a command was obeyed.
struct Event {
    uint64_t block = 0;
    int64_t frame = 0, monotonic_ns = 0;
    Do what = Do::PLAY;
    uint32_t parameter = 0;
    double value = 0;
};

inline int32_t clipped(int64_t ns) { return int32_t(ns > INT32_MAX ? INT32_MAX : ns < INT32_MIN ? INT32_MIN : ns); }

}  // namespace rig
