// The plugin's core in thousands of random blocks, where the audio thread may not allocate, lock or call the system.
//
//     plugin_realtime FOLDER STEPS SEED     prints the cache's path, waits for a line, runs, prints what happened
//
// Every function that allocates, frees or locks is ours here and counts while `armed`; a seccomp filter then lets no
// system call through but write and exit (any other ends the program with its number). Compiled with -DUNARMED it only
// runs, for the sanitizers.
#include <cerrno>
#include <cmath>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <random>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core.hpp"

namespace {

volatile bool armed = false;
volatile long caught = 0;
[[maybe_unused]] void look() {
    if (armed) caught = caught + 1;
}

}  // namespace

#ifndef UNARMED
extern "C" {
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);
void __libc_free(void*);
int __pthread_mutex_lock(pthread_mutex_t*);

void* malloc(size_t bytes) { return look(), __libc_malloc(bytes); }
void* calloc(size_t count, size_t bytes) { return look(), __libc_calloc(count, bytes); }
void* realloc(void* at, size_t bytes) { return look(), __libc_realloc(at, bytes); }
void* memalign(size_t step, size_t bytes) { return look(), __libc_memalign(step, bytes); }
void* aligned_alloc(size_t step, size_t bytes) { return look(), __libc_memalign(step, bytes); }
void free(void* at) { look(), __libc_free(at); }
int pthread_mutex_lock(pthread_mutex_t*) noexcept { return look(), 0; }
int pthread_mutex_unlock(pthread_mutex_t*) noexcept { return look(), 0; }
int pthread_mutex_trylock(pthread_mutex_t*) noexcept { return look(), 0; }
}
#endif

namespace {

void tell(int, siginfo_t* info, void*) {
    char text[64];
    const int size = std::snprintf(text, sizeof text, "system call %d\n", info->si_syscall);
    if (write(1, text, size_t(size)) < 0) _exit(4);
    _exit(3);
}

// From here on only write, exit and the return from a signal.
[[maybe_unused]] void forbid_system_calls() {
    struct sigaction action{};
    action.sa_sigaction = tell;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGSYS, &action, nullptr);
    sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigreturn, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    sock_fprog program = {sizeof rules / sizeof rules[0], rules};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
        std::puts("no seccomp here");
        std::fflush(stdout);
        _exit(5);
    }
}

struct Script {
    std::mt19937_64 random;
    int64_t frame = 0;

    double uniform(double low, double high) { return std::uniform_real_distribution<double>(low, high)(random); }
    bool chance(double p) { return uniform(0, 1) < p; }

    attacca::HostTime step(uint32_t frames) {
        attacca::HostTime told;
        if (chance(0.03)) frame = int64_t(uniform(-2000, 700000));
        told.frame = chance(0.01) ? attacca::UNTOLD_FRAME : frame;
        told.playing = !chance(0.03);
        told.musical = !chance(0.03);
        const double quarters = double(frame) / 24000.0;  // 120 at 48 kHz
        told.quarters = quarters;
        told.line = chance(0.5) ? std::floor(quarters / 4) * 4 : attacca::UNTOLD;
        told.bar = chance(0.5) ? std::floor(quarters / 4) : attacca::UNTOLD;
        told.tempo = chance(0.03) ? uniform(-10, 1000) : chance(0.02) ? NAN : 120;
        if (chance(0.03)) told.numerator = uint32_t(uniform(0, 20));
        if (chance(0.03)) told.denominator = uint32_t(uniform(0, 70));
        if (chance(0.2)) told.loop_last = uniform(-5, 50);
        if (told.playing) frame += frames;
        return told;
    }
};

}  // namespace

int main(int count, char** arguments) {
    if (count != 4) return 2;
    attacca::Core core("realtime");
    if (!core.open(48000, 0.5, arguments[1]).empty()) return 2;
    std::printf("%s/attacca-%s\n", arguments[1], core.instance().c_str());
    std::fflush(stdout);
    if (std::getchar() == EOF) return 2;
    Script script;
    script.random.seed(std::strtoull(arguments[3], nullptr, 10));
    std::vector<float> planes(4 * 8192, 0.25f);
    double sum = 0;
    const long steps = std::strtol(arguments[2], nullptr, 10);
#ifndef UNARMED
    forbid_system_calls();
#endif
    for (long step = 0; step < steps; ++step) {
        const uint32_t frames = uint32_t(script.uniform(1, script.chance(0.02) ? 8193 : 300));
        const attacca::HostTime told = script.step(frames);
        float* const in[2] = {planes.data(), planes.data() + 8192};
        float* out[2] = {planes.data() + 16384, planes.data() + 24576};
        if (script.chance(0.05)) in[0][0] = NAN;
        const uint8_t note[3] = {0x90, 60, 100};
        armed = true;
        if (script.chance(0.1)) core.set(uint32_t(script.uniform(0, 13)), float(script.uniform(-70, 20)));
        core.process(told, in, out, frames, step);
        if (script.chance(0.1)) core.note(0, note, 3, step);
        armed = false;
        for (uint32_t i = 0; i < frames; ++i) sum += double(std::isfinite(out[0][i]) && std::isfinite(out[1][i]));
        for (uint32_t i = 0; i < frames; ++i) sum -= 1;
    }
    char text[200];
    const attacca::Counters found = core.cache()->counters();
    const int size = std::snprintf(text, sizeof text, "caught %ld unsound %ld blocks %llu played %llu missed %llu\n",
                                   long(caught), long(-sum), static_cast<unsigned long long>(found.blocks),
                                   static_cast<unsigned long long>(found.played_frames),
                                   static_cast<unsigned long long>(found.missed_frames));
    if (write(1, text, size_t(size)) != size) return 3;
#ifdef UNARMED
    return 0;
#else
    _exit(0);
#endif
}
