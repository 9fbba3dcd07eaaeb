// The plugin's side of a timeline cache: makes it, reports to the engine, plays from it. Twin of
// bridge/timeline/plugin.py; the layout is timeline_layout.hpp.
//
// Threading: create, attach and close belong to the host's main thread and never run beside any other call on the
// same object. set_words belongs to one thread that may wait (state, user interface). All else is for ONE audio
// thread: it allocates nothing, locks nothing and makes no system call. A seqlock that the engine holds is looked
// at twice; then the block goes on with what it knew (map, status) or with what is missing (a slot). That bounds
// what an engine killed in the middle of a write can do.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>

#include "timeline_file.hpp"
#include "timeline_layout.hpp"
#include "timeline_seqlock.hpp"
#include "timeline_slots.hpp"

namespace attacca {

class TimelineCache {
  public:
    TimelineCache() = default;
    ~TimelineCache() { close(); }
    TimelineCache(const TimelineCache&) = delete;
    TimelineCache& operator=(const TimelineCache&) = delete;

    // ---- main thread -------------------------------------------------------------------------------------------

    /// Makes the cache of an instance. "" or a sentence that says what to do. `instance()` differs afterwards where
    /// the id was taken: save that one. Fewer minutes are there where the folder has no room (`minutes()`).
    std::string create(const std::string& instance, uint32_t rate, double minutes = 5.0,
                       const std::string& folder = cache_folder()) {
        close();
        NewFile file = create_file(instance, rate, minutes, folder);
        if (file.problem.empty() && !map(file.fd, uint64_t(file.pages), PROT_READ | PROT_WRITE)) {
            file.problem = "no timeline cache can be mapped: " + std::string(std::strerror(errno));
            unlink(file.path.c_str());
            ::close(file.fd);
        }
        if (!file.problem.empty())
            return file.problem;
        path_ = file.path;
        instance_ = file.instance;
        rate_ = rate;
        owner_ = true;
        Knobs knobs{};
        knobs.intensity_db = -60.0;
        knobs.guidance = 3.0;
        knobs.look_ahead_bars = 2.0;
        set_knobs(knobs);
        set_words(0, "", "", "");
        write_header();
        return "";
    }

    /// Opens another's cache to read from it (a monitor, a test): only the reading calls are allowed then.
    /// "" or a sentence; a file of another layout version is refused.
    std::string attach(const std::string& path) {
        close();
        std::string problem;
        Header header{};
        const int fd = open_for_reading(path, header, problem);
        if (fd >= 0 && !map(fd, header.pages, PROT_READ)) {
            problem = "no timeline cache can be mapped: " + std::string(std::strerror(errno));
            ::close(fd);
        }
        if (!problem.empty())
            return problem;
        path_ = path;
        instance_.assign(header.instance, strnlen(header.instance, sizeof header.instance));
        rate_ = header.rate;
        return "";
    }

    /// Unlinks our own file and lets go. The engine sees it by the lock.
    void close() {
        if (fd_ < 0)
            return;
        if (owner_ && same_file(fd_, path_))
            unlink(path_.c_str());
        munmap(memory_, at_.total);
        ::close(fd_);
        fd_ = -1;
        memory_ = nullptr;
        owner_ = false;
        pages_ = generation_ = count_ = 0;
        map_seq_ = 0;
        knob_changes_ = word_changes_ = 0;
    }

    /// Unlinks our own file and gives up its lock while the audio thread may still be playing from the memory: nobody
    /// finds it any more and its engine lets go. `close` comes later.
    void disown() {
        if (!owner_)
            return;
        if (same_file(fd_, path_))
            unlink(path_.c_str());
        drop_lock(fd_, CREATOR_BYTE);
    }

    bool is_open() const { return memory_ != nullptr; }
    const std::string& instance() const { return instance_; }
    const std::string& path() const { return path_; }
    uint32_t rate() const { return rate_; }
    uint64_t pages() const { return pages_; }
    double minutes() const { return double(pages_) * PAGE_FRAMES / rate_ / 60.0; }
    /// Whether an engine writes to it: a system call, not for the audio thread.
    bool engine_attached() const { return is_open() && is_locked(fd_, ENGINE_BYTE); }

    /// Prompts and title in UTF-8, cut to what fits between characters.
    void set_words(int64_t seed, const char* prompt_a, const char* prompt_b, const char* title) {
        Words words{};
        words.seed = seed;
        words.changes = ++word_changes_;
        copy_text(words.prompt_a, sizeof words.prompt_a, prompt_a);
        copy_text(words.prompt_b, sizeof words.prompt_b, prompt_b);
        copy_text(words.title, sizeof words.title, title);
        put_block(block<Words>(at_.words), words);
    }

    // ---- audio thread: to the engine ---------------------------------------------------------------------------

    /// Publishes a block's transport; `seq` of the argument counts for nothing.
    void report(const Transport& transport) { put_block(block<Transport>(at_.transport), transport); }

    /// Publishes the knobs when one has moved; `seq` and `changes` of the argument count for nothing.
    void set_knobs(const Knobs& knobs) {
        Knobs stamped = knobs;
        stamped.changes = ++knob_changes_;
        put_block(block<Knobs>(at_.knobs), stamped);
    }

    /// Puts what the track carries into the context ring. Frames before 0 are left out.
    void capture(int64_t first_frame, uint32_t frames, const float* left, const float* right) {
        const int64_t end = end_of(first_frame, frames);
        for (int64_t at = std::max<int64_t>(0, first_frame); at < end;) {
            const int64_t slot = at / SLOT_FRAMES;
            const uint32_t begin = uint32_t(at % SLOT_FRAMES);
            const uint32_t count = uint32_t(std::min<int64_t>(SLOT_FRAMES - begin, end - at));
            capture_slot(block<ContextTag>(at_.context_tag), block<float>(at_.context_audio), slot, begin, count,
                         left + (at - first_frame), right + (at - first_frame));
            at += count;
        }
    }

    /// Hands on a MIDI message of 1 to 4 bytes. False: the ring is full (dropped and counted) or it does not fit.
    bool push_note(int64_t frame, const uint8_t* data, uint32_t size, int64_t monotonic_ns) {
        if (size < 1 || size > sizeof(Note::bytes))
            return false;
        Notes* const ring = block<Notes>(at_.notes);
        const uint64_t written = load_relaxed(&ring->written);
        if (written - load_acquire(&ring->read) >= MAX_NOTES) {
            add(&Counters::notes_dropped, 1);
            return false;
        }
        Note note{};
        note.frame = frame;
        note.monotonic_ns = monotonic_ns;
        note.size = size;
        std::memcpy(note.bytes, data, size);
        store_words(block<Note>(at_.note) + written % MAX_NOTES, &note, sizeof note);
        store_release(&ring->written, written + 1);
        return true;
    }

    /// Steps a counter: add(&Counters::misses, 1).
    void add(uint64_t Counters::* counter, uint64_t step) {
        uint64_t* const shared = &(block<Counters>(at_.counters)->*counter);
        store_relaxed(shared, load_relaxed(shared) + step);
    }

    void set_last_miss(int64_t frame) { store_relaxed(&block<Counters>(at_.counters)->last_miss_frame, frame); }

    // ---- audio thread: from the engine; a closed cache holds nothing --------------------------------------------

    Counters counters() const {
        Counters found{};
        if (is_open())
            load_words(&found, block<Counters>(at_.counters), sizeof found);
        return found;
    }

    /// What the engine said last; false: nothing yet, or just now being written (`status` is then left alone).
    bool status(Engine& status) const {
        Engine found{};
        if (!is_open() || !get_block(found, block<Engine>(at_.engine), TRIES))
            return false;
        status = found;
        return true;
    }

    /// Takes over the published map: call it once at the start of a block. While the engine writes one, the map of
    /// before stays. True: a new generation was taken over.
    bool refresh_map() {
        if (!is_open())
            return false;
        const Map* const shared = block<Map>(at_.map);
        for (int n = 0; n < TRIES; ++n) {
            const uint64_t before = load_acquire(&shared->seq);
            if (before == map_seq_)
                return false;
            if (before & 1)
                continue;
            Map found{};
            load_words(&found, shared, sizeof found);
            const uint32_t count = std::min(found.count, MAX_SEGMENTS);
            load_words(copied_, block<Segment>(at_.segment), count * sizeof(Segment));
            __atomic_thread_fence(__ATOMIC_ACQUIRE);
            if (load_relaxed(&shared->seq) != before)
                continue;
            std::memcpy(segments_, copied_, count * sizeof(Segment));
            count_ = count;
            generation_ = found.generation;
            map_seq_ = before;
            return true;
        }
        return false;
    }

    /// The generation of the map that was taken over; 0: none yet.
    uint32_t generation() const { return generation_; }
    uint32_t segment_count() const { return count_; }
    const Segment* segments() const { return segments_; }

    /// Copies what the cache holds for these project frames (current generation); zeros where it holds nothing.
    /// valid: null, or `frames` bytes that become 1 where a frame is held, else 0.
    ReadResult read(int64_t first_frame, uint32_t frames, float* left, float* right, uint8_t* valid = nullptr) const {
        ReadResult result;
        std::memset(left, 0, frames * sizeof(float));
        std::memset(right, 0, frames * sizeof(float));
        if (valid != nullptr)
            std::memset(valid, 0, frames);
        const SlotReader slots{block<uint32_t>(at_.page_table), block<Tag>(at_.tag), block<float>(at_.audio), pages_,
                               generation_};
        const int64_t end = is_open() ? end_of(first_frame, frames) : 0;
        for (int64_t at = std::max<int64_t>(0, first_frame); at < end;) {
            const uint32_t begin = uint32_t(at % SLOT_FRAMES);
            const uint32_t upto = uint32_t(std::min<int64_t>(SLOT_FRAMES, begin + (end - at)));
            const uint32_t offset = uint32_t(at - first_frame);
            const Range held = slots.read(at / SLOT_FRAMES, begin, upto, left + offset, right + offset, result.torn);
            if (valid != nullptr)
                std::memset(valid + offset + (held.begin - begin), 1, held.end - held.begin);
            if (result.leading == offset && held.begin == begin)
                result.leading += held.end - held.begin;
            result.valid += held.end - held.begin;
            at += upto - begin;
        }
        return result;
    }

  private:
    template <class Block>
    Block* block(size_t offset) const { return reinterpret_cast<Block*>(memory_ + offset); }

    bool map(int fd, uint64_t pages, int protection) {
        const size_t total = offsets(pages).total;
        void* const memory = mmap(nullptr, total, protection, MAP_SHARED | MAP_POPULATE, fd, 0);
        if (memory == MAP_FAILED)
            return false;
        fd_ = fd;
        memory_ = static_cast<char*>(memory);
        at_ = offsets(pages);
        pages_ = uint32_t(pages);
        return true;
    }

    void write_header() {
        timespec now{};
        clock_gettime(CLOCK_REALTIME, &now);
        Header header{};
        header.version = VERSION;
        header.rate = rate_;
        header.channels = CHANNELS;
        header.pages = pages_;
        header.total_bytes = at_.total;
        header.created_unix_ns = int64_t(now.tv_sec) * 1000000000 + now.tv_nsec;
        header.creator_pid = uint32_t(getpid());
        std::memcpy(header.instance, instance_.data(), instance_.size());
        Header* const shared = block<Header>(at_.header);
        store_words(shared, &header, sizeof header);
        store_release(&shared->magic, uint64_t(MAGIC));
    }

    static void copy_text(char* to, size_t size, const char* text) {
        const size_t whole = std::strlen(text);
        size_t length = std::min(whole, size - 1);
        while (length < whole && length > 0 && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80)
            --length;
        std::memcpy(to, text, length);
    }

    int fd_ = -1;
    char* memory_ = nullptr;
    bool owner_ = false;
    Offsets at_{};
    uint32_t pages_ = 0;
    uint32_t rate_ = 48000;
    std::string instance_, path_;
    uint64_t knob_changes_ = 0, word_changes_ = 0;
    uint64_t map_seq_ = 0;
    uint32_t generation_ = 0, count_ = 0;
    Segment segments_[MAX_SEGMENTS] = {};
    Segment copied_[MAX_SEGMENTS] = {};
};

}  // namespace attacca
