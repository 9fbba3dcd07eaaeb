// A host without a DAW: plays the plugin (all of it but its format) block by block against the clock, from a script, and
// writes down what was played and how late each wake-up was.
//
//     block_host --seconds 60 [--rate 48000] [--block 128] [--instance ID] [--folder DIR] [--minutes 5]
//                [--tempo 120] [--meter 4/4] [--prompt TEXT] [--seed N] [--log FILE] [--audio FILE] [--control FILE]
//                [--ordinary]
//
// Commands come on stdin, one a line, each obeyed in the next block, or with "@BLOCK " before it in that block:
// play, stop, locate FRAME, note HEX [HEX HEX], set PARAMETER VALUE; words TEXT (a prompt, at once), quit.
// stdout has one JSON line at the start (where the cache is, what is permitted) and one at the end (counters, events).
// FILEs are written at the end: rows of BlockRow, float32 [frames, 2] of all blocks, int32 lateness of the control.
//
// Threading: the *player* thread wakes for every block and does what a plugin does in it: no allocation, lock or
// system call but its sleep. The *control* thread wakes half a block later, at equal priority, and does nothing: its
// lateness is what this machine does to anybody. The main thread reads the script. A block that is late is played at
// once, never left out; what is recorded lies in memory that was there before.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include <poll.h>
#include <unistd.h>

#include "block_player.hpp"

using namespace rig;

namespace {

// ---- the script -----------------------------------------------------------------------------------------------------

[[noreturn]] void fail(const std::string& problem) {
    std::fprintf(stderr, "%s\n", problem.c_str());
    std::exit(2);
}

uint32_t parameter_of(const std::string& symbol) {
    std::string all;
    for (uint32_t n = 0; n < BARS_READY; ++n) {
        if (symbol == PARAMETER_FACTS[n].symbol) return n;
        all += std::string(n ? ", " : "") + PARAMETER_FACTS[n].symbol;
    }
    fail("no parameter '" + symbol + "': " + all);
}

// Hands a line to the player thread. False: the script is at its end.
bool read_line(std::string line, const Options& options, Core& core, Commands& commands) {
    Command command;
    if (line[0] == '@') {
        char* rest = nullptr;
        command.block = std::strtoull(line.c_str() + 1, &rest, 10);
        line = rest + std::strspn(rest, " ");
    }
    const std::string word = line.substr(0, line.find(' '));
    const std::string rest = line.size() > word.size() ? line.substr(word.size() + 1) : "";
    if (word == "quit") return false;
    if (word == "words") {
        core.set_prompts({rest, "", options.seed});
        return true;
    }
    if (word == "play") {
        command.what = Do::PLAY;
    } else if (word == "stop") {
        command.what = Do::STOP;
    } else if (word == "locate") {
        command.what = Do::LOCATE;
        command.frame = std::atoll(rest.c_str());
    } else if (word == "note") {
        command.what = Do::NOTE;
        unsigned bytes[4] = {};
        command.size = uint32_t(std::max(0, std::sscanf(rest.c_str(), "%x %x %x %x", bytes, bytes + 1, bytes + 2, bytes + 3)));
        std::copy_n(bytes, 4, command.bytes);
    } else if (word == "set") {
        const std::string name = rest.substr(0, rest.find(' '));
        command.what = Do::SET;
        command.parameter = parameter_of(name);
        command.value = std::atof(rest.c_str() + name.size());
    } else {
        fail("no command '" + line + "': play, stop, locate, note, set, words or quit");
    }
    if (!commands.push(command)) fail("16384 commands wait already: send them later");
    return true;
}

// Reads stdin until `quit` (true) or until `done` is set; its end is no command.
bool follow_script(const Options& options, Core& core, Commands& commands,
                   const std::atomic<bool>& done) {
    std::string text;
    pollfd input{STDIN_FILENO, POLLIN, 0};
    while (!done) {
        if (input.fd < 0) {
            poll(nullptr, 0, 20);
            continue;
        }
        if (poll(&input, 1, 20) <= 0) continue;
        char bytes[4096];
        const ssize_t count = read(STDIN_FILENO, bytes, sizeof bytes);
        if (count <= 0) input.fd = -1;
        text.append(bytes, size_t(std::max<ssize_t>(0, count)));
        for (size_t end; (end = text.find('\n')) != std::string::npos; text.erase(0, end + 1))
            if (end > 0 && !read_line(text.substr(0, end), options, core, commands)) return true;
    }
    return false;
}

// ---- options ----------------------------------------------------------------------------------------------------------

Options parse(int count, char** words) {
    Options options;
    for (int n = 1; n < count; ++n) {
        const std::string name = words[n];
        if (name == "--ordinary") {
            options.ordinary = true;
            continue;
        }
        if (n + 1 == count) fail(name + " needs a value");
        const std::string value = words[++n];
        if (name == "--seconds") options.seconds = std::atof(value.c_str());
        else if (name == "--minutes") options.minutes = std::atof(value.c_str());
        else if (name == "--tempo") options.tempo = std::atof(value.c_str());
        else if (name == "--rate") options.rate = uint32_t(std::atoi(value.c_str()));
        else if (name == "--block") options.block = uint32_t(std::atoi(value.c_str()));
        else if (name == "--meter") std::sscanf(value.c_str(), "%u/%u", &options.numerator, &options.denominator);
        else if (name == "--seed") options.seed = std::atoll(value.c_str());
        else if (name == "--instance") options.instance = value;
        else if (name == "--folder") options.folder = value;
        else if (name == "--prompt") options.prompt = value;
        else if (name == "--log") options.log = value;
        else if (name == "--audio") options.audio = value;
        else if (name == "--control") options.control = value;
        else fail("no option " + name + ": see the head of block_host.cpp");
    }
    const bool fits = options.seconds > 0 && options.seconds <= 7200 && options.rate >= 8000 && options.rate <= 192000 &&
                      options.block >= 16 && options.block <= MAX_BLOCK && options.tempo >= 20 && options.tempo <= 999 &&
                      options.numerator >= 1 && options.numerator <= 32 && options.denominator >= 1 &&
                      options.denominator <= 32;
    if (!fits) fail("use 0 to 7200 seconds, 8000 to 192000 Hz, blocks of 16 to 8192, 20 to 999 bpm, meters to 32/32");
    return options;
}

// ---- what is said and written -------------------------------------------------------------------------------------------

std::string quoted(const std::string& text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        out += static_cast<unsigned char>(c) < 32 ? ' ' : c;
    }
    return out + '"';
}

void write_file(const std::string& path, const void* data, size_t bytes) {
    if (path.empty()) return;
    FILE* const file = std::fopen(path.c_str(), "wb");
    if (!file || std::fwrite(data, 1, bytes, file) != bytes || std::fclose(file) != 0) fail("cannot write " + path);
}

void print_start(const TimelineCache& cache, const Schedule& schedule, const std::string& remark, bool fifo) {
    std::printf("{\"instance\":%s,\"path\":%s,\"start_ns\":%lld,\"fifo\":%s,\"remark\":%s}\n",
                quoted(cache.instance()).c_str(), quoted(cache.path()).c_str(), (long long)schedule.start_ns,
                fifo ? "true" : "false", quoted(remark).c_str());
    std::fflush(stdout);
}

void print_end(const TimelineCache& cache, const Host& host) {
    const Counters c = cache.counters();
    std::printf("{\"blocks\":%llu,\"played_frames\":%llu,\"missed_frames\":%llu,\"misses\":%llu,\"torn_slots\":%llu,"
                "\"off_grid_blocks\":%llu,\"notes_dropped\":%llu,\"scrubbed_samples\":%llu,\"events\":[",
                (unsigned long long)c.blocks, (unsigned long long)c.played_frames, (unsigned long long)c.missed_frames,
                (unsigned long long)c.misses, (unsigned long long)c.torn_slots, (unsigned long long)c.off_grid_blocks,
                (unsigned long long)c.notes_dropped, (unsigned long long)c.scrubbed_samples);
    const char* const names[] = {"play", "stop", "locate", "note", "set"};
    for (uint64_t n = 0; n < host.happened; ++n) {
        const Event& e = host.events[n];
        std::printf("%s{\"what\":\"%s\",\"block\":%llu,\"frame\":%lld,\"monotonic_ns\":%lld,\"parameter\":\"%s\",\"value\":%g}",
                    n ? "," : "", names[uint32_t(e.what)], (unsigned long long)e.block, (long long)e.frame,
                    (long long)e.monotonic_ns, e.what == Do::SET ? PARAMETER_FACTS[e.parameter].symbol : "", e.value);
    }
    std::printf("]}\n");
}

// ---- the two threads ----------------------------------------------------------------------------------------------------

using Rows = std::vector<int32_t>;

void play_blocks(Host& host, const Schedule& schedule, bool ordinary, std::string& problem, std::atomic<int>& waiting,
                 const std::atomic<bool>& go, const std::atomic<bool>& stop) {
    if (!ordinary) problem = enter_realtime();
    ++waiting;
    while (!go) sleep_until(now_ns() + 1000000);
    for (uint64_t k = 0; k < host.rows.size() && !stop.load(std::memory_order_relaxed); ++k) {
        const int64_t due_ns = schedule.due_ns(k);
        sleep_until(due_ns);
        host.run(k, due_ns);
    }
}

void do_nothing(Rows& late_ns, uint64_t& done, const Schedule& schedule, bool ordinary, std::atomic<int>& waiting,
                const std::atomic<bool>& go, const std::atomic<bool>& stop) {
    if (!ordinary) enter_realtime();
    ++waiting;
    while (!go) sleep_until(now_ns() + 1000000);
    const int64_t half_ns = (schedule.due_ns(1) - schedule.due_ns(0)) / 2;
    for (uint64_t k = 0; k < late_ns.size() && !stop.load(std::memory_order_relaxed); ++k) {
        const int64_t due_ns = schedule.due_ns(k) + half_ns;
        sleep_until(due_ns);
        late_ns[k] = clipped(now_ns() - due_ns);
        done = k + 1;
    }
}

}  // namespace

int main(int count, char** words) {
    const Options options = parse(count, words);
    std::string remark = lock_memory();
    Core core("block host");
    core.set_instance(options.instance);
    core.set_prompts({options.prompt, "", options.seed});
    const std::string problem = core.open(options.rate, options.minutes, options.folder);
    if (!problem.empty()) fail(problem);
    const TimelineCache& cache = *core.cache();
    Commands commands;
    Host host(options, core, commands);
    Rows control(host.rows.size());
    Schedule schedule{0, options.rate, options.block};
    std::string refused;
    std::atomic<int> waiting{0};
    std::atomic<bool> go{false}, stop{false}, ended{false};
    uint64_t watched = 0;
    std::thread player([&] {
        play_blocks(host, schedule, options.ordinary, refused, waiting, go, stop);
        ended = true;
    });
    std::thread idle(do_nothing, std::ref(control), std::ref(watched), std::cref(schedule), options.ordinary,
                     std::ref(waiting), std::cref(go), std::cref(stop));
    while (waiting < 2) sleep_until(now_ns() + 1000000);
    schedule.start_ns = now_ns() + 20000000;
    if (!refused.empty()) remark = refused + (remark.empty() ? "" : "; " + remark);
    print_start(cache, schedule, remark, !options.ordinary && refused.empty());
    go = true;
    stop = follow_script(options, core, commands, ended);
    player.join();
    stop = true;
    idle.join();
    write_file(options.log, host.rows.data(), host.done * sizeof(BlockRow));
    write_file(options.audio, host.audio.data(), options.audio.empty() ? 0 : host.done * options.block * 8);
    write_file(options.control, control.data(), watched * sizeof(int32_t));
    print_end(cache, host);
    return 0;
}
