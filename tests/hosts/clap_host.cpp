// A CLAP host for tests: loads one plugin of a .clap, then does what it is told on stdin and answers on stdout.
//
//   clap_host FILE.clap PLUGIN_ID RATE MAX_FRAMES
//
// Commands, little-endian, one byte first:
//   B Block, then 2 x frames float32 if the plugin has inputs   -> 2 x frames float32 (left, then right)
//   V uint32 id, double value                                   (a parameter event at the next block's start)
//   N uint32 offset, int32 key, double velocity, uint32 on      (a note event in the next block)
//   I -> uint32 count, then for each: uint32 id, 256 bytes name, double lowest, highest, now
//   S -> uint32 size, bytes      L uint32 size, bytes -> uint32 1 or 0      (state)
//   Q ends.
//
// Threading: one thread plays main and audio thread in turn; no call of the plugin overlaps another.
#include <dlfcn.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "clap/entry.h"
#include "clap/ext/audio-ports.h"
#include "clap/ext/params.h"
#include "clap/ext/state.h"
#include "clap/plugin-factory.h"

namespace {

struct Block {
    int64_t steady_frame;
    uint32_t frames;
    uint32_t flags;
    double seconds, quarters, tempo, bar_start, loop_start, loop_end;
    int32_t bar;
    uint16_t numerator, denominator;
};
static_assert(sizeof(Block) == 72);

struct Parameter {
    uint32_t id;
    char name[256];
    double lowest, highest, now;
};

union Event {
    clap_event_header_t header;
    clap_event_param_value_t value;
    clap_event_note_t note;
};

[[noreturn]] void fail(const char* sentence)
{
    std::fprintf(stderr, "clap_host: %s\n", sentence);
    std::exit(2);
}

void read_all(void* to, size_t bytes)
{
    if (bytes != 0 && std::fread(to, 1, bytes, stdin) != bytes)
        std::exit(0);
}

template <class T>
T read_one()
{
    T value;
    read_all(&value, sizeof(value));
    return value;
}

void write_all(const void* from, size_t bytes)
{
    if (bytes != 0 && std::fwrite(from, 1, bytes, stdout) != bytes)
        std::exit(0);
}

int64_t fixed(double value)
{
    return std::isfinite(value) ? int64_t(std::llround(value * double(CLAP_BEATTIME_FACTOR))) : 0;
}

const void* no_extension(const clap_host_t*, const char*) { return nullptr; }
void ignore(const clap_host_t*) {}

clap_host_t host{CLAP_VERSION, nullptr, "Attacca tests", "Attacca", "", "1", no_extension, ignore, ignore, ignore};

class Session {
public:
    Session(const clap_plugin_t* loaded, uint32_t most)
        : plugin(loaded), most_frames(most), inputs(2 * most), outputs(2 * most)
    {
        const auto* ports = static_cast<const clap_plugin_audio_ports_t*>(plugin->get_extension(plugin, CLAP_EXT_AUDIO_PORTS));
        has_inputs = ports != nullptr && ports->count(plugin, true) > 0;
    }

    void block()
    {
        const auto at = read_one<Block>();
        if (at.frames > most_frames)
            fail("a block is longer than MAX_FRAMES");
        if (has_inputs)
            read_all(inputs.data(), 2 * sizeof(float) * at.frames);
        float* in[2] = {inputs.data(), inputs.data() + at.frames};
        float* out[2] = {outputs.data(), outputs.data() + at.frames};
        clap_audio_buffer_t from{in, nullptr, 2, 0, 0}, to{out, nullptr, 2, 0, 0};
        const clap_event_transport_t transport = transport_of(at);
        const clap_input_events_t given{this, count_events, get_event};
        const clap_output_events_t taken{this, drop_event};
        const clap_process_t process{
            at.steady_frame, at.frames, &transport, &from, &to, has_inputs ? 1u : 0u, 1u, &given, &taken};
        if (plugin->process(plugin, &process) == CLAP_PROCESS_ERROR)
            fail("process() says error");
        events.clear();
        write_all(outputs.data(), 2 * sizeof(float) * at.frames);
    }

    void value()
    {
        Event event{};
        event.value.header = {sizeof(clap_event_param_value_t), 0, CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_PARAM_VALUE, 0};
        event.value.param_id = read_one<uint32_t>();
        event.value.note_id = event.value.port_index = event.value.channel = event.value.key = -1;
        event.value.value = read_one<double>();
        events.push_back(event);
    }

    void note()
    {
        Event event{};
        const auto offset = read_one<uint32_t>();
        event.note.key = int16_t(read_one<int32_t>());
        event.note.velocity = read_one<double>();
        const uint16_t type = read_one<uint32_t>() != 0 ? CLAP_EVENT_NOTE_ON : CLAP_EVENT_NOTE_OFF;
        event.note.header = {sizeof(clap_event_note_t), offset, CLAP_CORE_EVENT_SPACE_ID, type, 0};
        event.note.note_id = -1;
        events.push_back(event);
    }

    void list()
    {
        const auto* params = static_cast<const clap_plugin_params_t*>(plugin->get_extension(plugin, CLAP_EXT_PARAMS));
        const uint32_t count = params == nullptr ? 0 : params->count(plugin);
        write_all(&count, sizeof(count));
        for (uint32_t index = 0; index < count; ++index) {
            clap_param_info_t info{};
            Parameter found{};
            if (!params->get_info(plugin, index, &info) || !params->get_value(plugin, info.id, &found.now))
                fail("a parameter does not tell itself");
            found.id = info.id;
            std::memcpy(found.name, info.name, sizeof(found.name));
            found.lowest = info.min_value;
            found.highest = info.max_value;
            write_all(&found.id, sizeof(found.id));
            write_all(found.name, sizeof(found.name));
            write_all(&found.lowest, 3 * sizeof(double));
        }
    }

    void save()
    {
        std::vector<char> bytes;
        const clap_ostream_t stream{&bytes, [](const clap_ostream_t* into, const void* from, uint64_t size) {
                                        auto& there = *static_cast<std::vector<char>*>(into->ctx);
                                        const auto* first = static_cast<const char*>(from);
                                        there.insert(there.end(), first, first + size);
                                        return int64_t(size);
                                    }};
        const uint32_t size = state()->save(plugin, &stream) ? uint32_t(bytes.size()) : 0;
        write_all(&size, sizeof(size));
        write_all(bytes.data(), size);
    }

    void load()
    {
        std::vector<char> bytes(read_one<uint32_t>());
        read_all(bytes.data(), bytes.size());
        Reader reader{bytes.data(), bytes.size()};
        const clap_istream_t stream{&reader, [](const clap_istream_t* from, void* into, uint64_t size) {
                                        auto& there = *static_cast<Reader*>(from->ctx);
                                        const uint64_t taken = size < there.left ? size : there.left;
                                        std::memcpy(into, there.at, taken);
                                        there.at += taken;
                                        there.left -= taken;
                                        return int64_t(taken);
                                    }};
        const uint32_t done = state()->load(plugin, &stream) ? 1 : 0;
        write_all(&done, sizeof(done));
    }

private:
    struct Reader {
        const char* at;
        uint64_t left;
    };

    const clap_plugin_state_t* state() const
    {
        const auto* found = static_cast<const clap_plugin_state_t*>(plugin->get_extension(plugin, CLAP_EXT_STATE));
        if (found == nullptr)
            fail("the plugin has no state");
        return found;
    }

    static clap_event_transport_t transport_of(const Block& at)
    {
        clap_event_transport_t transport{};
        transport.header = {sizeof(transport), 0, CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_TRANSPORT, 0};
        transport.flags = at.flags;
        transport.song_pos_beats = fixed(at.quarters);
        transport.song_pos_seconds = fixed(at.seconds);
        transport.tempo = at.tempo;
        transport.loop_start_beats = fixed(at.loop_start);
        transport.loop_end_beats = fixed(at.loop_end);
        transport.bar_start = fixed(at.bar_start);
        transport.bar_number = at.bar;
        transport.tsig_num = at.numerator;
        transport.tsig_denom = at.denominator;
        return transport;
    }

    static uint32_t count_events(const clap_input_events_t* list)
    {
        return uint32_t(static_cast<const Session*>(list->ctx)->events.size());
    }

    static const clap_event_header_t* get_event(const clap_input_events_t* list, uint32_t index)
    {
        return &static_cast<const Session*>(list->ctx)->events[index].header;
    }

    static bool drop_event(const clap_output_events_t*, const clap_event_header_t*) { return true; }

    const clap_plugin_t* plugin;
    uint32_t most_frames;
    bool has_inputs = false;
    std::vector<float> inputs, outputs;
    std::vector<Event> events;
};

const clap_plugin_t* load(const char* file, const char* id)
{
    void* library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr)
        fail(dlerror());
    const auto* entry = static_cast<const clap_plugin_entry_t*>(dlsym(library, "clap_entry"));
    if (entry == nullptr || !entry->init(file))
        fail("the file has no clap_entry that begins");
    const auto* factory = static_cast<const clap_plugin_factory_t*>(entry->get_factory(CLAP_PLUGIN_FACTORY_ID));
    const clap_plugin_t* plugin = factory == nullptr ? nullptr : factory->create_plugin(factory, &host, id);
    if (plugin == nullptr || !plugin->init(plugin))
        fail("there is no plugin of that id, or it does not begin");
    return plugin;
}

void serve(Session& session)
{
    for (;;) {
        switch (read_one<char>()) {
        case 'B': session.block(); break;
        case 'V': session.value(); break;
        case 'N': session.note(); break;
        case 'I': session.list(); break;
        case 'S': session.save(); break;
        case 'L': session.load(); break;
        case 'Q': return;
        default: fail("no such command");
        }
        std::fflush(stdout);
    }
}

} // namespace

int main(int count, char** words)
{
    if (count != 5)
        fail("usage: clap_host FILE.clap PLUGIN_ID RATE MAX_FRAMES");
    const auto most = uint32_t(std::atoi(words[4]));
    const clap_plugin_t* plugin = load(words[1], words[2]);
    if (!plugin->activate(plugin, std::atof(words[3]), 1, most) || !plugin->start_processing(plugin))
        fail("the plugin does not start");
    {
        Session session(plugin, most);
        serve(session);
    }
    plugin->stop_processing(plugin);
    plugin->deactivate(plugin);
    plugin->destroy(plugin);
    return 0;
}
