// The probe: writes one record per block (and one of 0 frames per activation) of what the host says to
// $ATTACCA_PROBE_LOG, plays the project frame on the left (frame mod 2^23 as a fraction of 2^23, exact in float32) and
// its own left input, times "gain", on the right.
//
// Threading: run() does file I/O and may wait, on purpose: with $ATTACCA_PROBE_GATE (a file that holds one int64) it
// waits, at most a minute in all, until the gate is at least the frame after the block. So a test paces an offline host.
#include "DistrhoPlugin.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>

START_NAMESPACE_DISTRHO

namespace {

struct Record {
    int64_t monotonic_ns;
    int64_t frame;
    int32_t block_frames;
    int32_t playing;
    int32_t valid;
    int32_t bar;
    int32_t beat;
    int32_t instance;
    double tick;
    double ticks_per_beat;
    double tempo;
    double bar_start_tick;
    float beats_per_bar;
    float beat_type;
};
static_assert(sizeof(Record) == 80);

int64_t monotonic_ns()
{
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return int64_t(now.tv_sec) * 1000000000 + now.tv_nsec;
}

constexpr int64_t kPatienceNs = 60LL * 1000000000;

} // namespace

class Probe : public Plugin
{
public:
    Probe()
        : Plugin(1, 0, 1)
    {
    }

    ~Probe() override { close_files(); }

protected:
    const char* getLabel() const override { return "AttaccaProbe"; }
    const char* getMaker() const override { return "Attacca"; }
    const char* getLicense() const override { return "Apache-2.0"; }
    uint32_t getVersion() const override { return d_version(1, 0, 0); }
    int64_t getUniqueId() const override { return d_cconst('P', 'r', 'o', 'b'); }

    void initParameter(uint32_t, Parameter& parameter) override
    {
        parameter.hints = kParameterIsAutomatable;
        parameter.name = "Gain";
        parameter.symbol = "gain";
        parameter.ranges = ParameterRanges(1.0f, 0.0f, 2.0f);
    }

    float getParameterValue(uint32_t) const override { return gain; }
    void setParameterValue(uint32_t, float value) override { gain = value; }

    void initState(uint32_t, State& state) override
    {
        state.key = "words";
        state.label = "Words";
        state.defaultValue = "none";
    }

    String getState(const char*) const override { return words; }
    void setState(const char*, const char* value) override { words = value; }

    void activate() override
    {
        close_files();
        if (const char* const path = std::getenv("ATTACCA_PROBE_LOG"))
            log = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        if (const char* const path = std::getenv("ATTACCA_PROBE_GATE"))
            open_gate(path);
        write_record(getTimePosition(), 0);
    }

    void run(const float** inputs, float** outputs, uint32_t frames) override
    {
        const TimePosition& at = getTimePosition();
        write_record(at, frames);
        wait_at_gate(at, frames);
        for (uint32_t index = 0; index < frames; ++index)
            outputs[1][index] = inputs[0][index] * gain;
        for (uint32_t index = 0; index < frames; ++index)
            outputs[0][index] = at.playing ? float((at.frame + index) & 0x7fffff) / 8388608.0f : 0.0f;
    }

private:
    void open_gate(const char* const path)
    {
        const int file = open(path, O_RDONLY | O_CLOEXEC);
        if (file < 0)
            return;
        void* const there = mmap(nullptr, 8, PROT_READ, MAP_SHARED, file, 0);
        close(file);
        gate = there == MAP_FAILED ? nullptr : static_cast<const int64_t*>(there);
    }

    void close_files()
    {
        if (log >= 0)
            close(log);
        log = -1;
        if (gate != nullptr)
            munmap(const_cast<int64_t*>(gate), 8);
        gate = nullptr;
    }

    void write_record(const TimePosition& at, const uint32_t frames)
    {
        if (log < 0)
            return;
        const auto& bbt = at.bbt;
        const Record record{monotonic_ns(), int64_t(at.frame), int32_t(frames), at.playing, bbt.valid, bbt.bar, bbt.beat,
                            int32_t(reinterpret_cast<uintptr_t>(this) >> 4), bbt.tick, bbt.ticksPerBeat, bbt.beatsPerMinute,
                            bbt.barStartTick, bbt.beatsPerBar, bbt.beatType};
        if (write(log, &record, sizeof(record)) != ssize_t(sizeof(record)))
            d_stderr("the probe's log is full");
    }

    void wait_at_gate(const TimePosition& at, const uint32_t frames)
    {
        const int64_t until = int64_t(at.frame) + frames;
        while (gate != nullptr && at.playing && __atomic_load_n(gate, __ATOMIC_ACQUIRE) < until && waited_ns < kPatienceNs)
        {
            usleep(200);
            waited_ns += 200000;
        }
    }

    float gain = 1.0f;
    String words = String("none");
    int log = -1;
    const int64_t* gate = nullptr;
    int64_t waited_ns = 0;

    DISTRHO_DECLARE_NON_COPYABLE_WITH_LEAK_DETECTOR(Probe)
};

Plugin* createPlugin()
{
    return new Probe();
}

END_NAMESPACE_DISTRHO
