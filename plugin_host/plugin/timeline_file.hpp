// The file of a timeline cache: made, locked, mapped, reclaimed. The twin of bridge/timeline/files.py.
//
// Byte 0 of a file is locked (F_OFD_SETLK) by its creator, byte 1 by the engine that writes. The kernel drops a
// lock when its process dies, so a whole file whose creator lock is free is stale.
//
// Threading: system calls and allocation all over; never on an audio thread.
#pragma once
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "timeline_layout.hpp"

namespace attacca {

constexpr off_t CREATOR_BYTE = 0;
constexpr off_t ENGINE_BYTE = 1;
constexpr double YOUNG_S = 2.0;
constexpr double LEAST_MINUTES = 0.5;

inline std::string cache_folder() {
    const char* set = std::getenv("ATTACCA_CACHE_DIR");
    return set != nullptr && set[0] != '\0' ? set : "/dev/shm";
}

/// 1 to 32 letters, digits, - or _.
inline bool is_instance(const std::string& text) {
    constexpr const char* legal = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    return !text.empty() && text.size() <= 32 && text.find_first_not_of(legal) == std::string::npos;
}

/// A fresh instance id: 16 hexadecimal digits.
inline std::string new_instance() {
    unsigned char raw[8] = {};
    if (getrandom(raw, sizeof raw, 0) != sizeof raw) {
        timespec now{};
        clock_gettime(CLOCK_MONOTONIC, &now);
        const uint64_t mixed = (uint64_t(now.tv_nsec) << 32) ^ uint64_t(now.tv_sec) ^ uint64_t(getpid()) << 16;
        std::memcpy(raw, &mixed, sizeof raw);
    }
    char text[17];
    for (int n = 0; n < 8; ++n)
        std::snprintf(text + 2 * n, 3, "%02x", raw[n]);
    return text;
}

inline int64_t pages_for(double minutes, uint32_t rate) {
    const int64_t frames = int64_t(minutes * 60.0 * rate + 0.5);
    const int64_t pages = (frames + PAGE_FRAMES - 1) / PAGE_FRAMES;
    return pages < 1 ? 1 : pages > PROJECT_PAGES ? PROJECT_PAGES : pages;
}

inline struct flock lock_request(short kind, off_t byte) {
    struct flock request{};
    request.l_type = kind;
    request.l_whence = SEEK_SET;
    request.l_start = byte;
    request.l_len = 1;
    return request;
}

/// Takes a byte's lock for this open file. False: somebody else has it.
inline bool take_lock(int fd, off_t byte) {
    struct flock request = lock_request(F_WRLCK, byte);
    return fcntl(fd, F_OFD_SETLK, &request) == 0;
}

/// Gives a byte's lock back.
inline void drop_lock(int fd, off_t byte) {
    struct flock request = lock_request(F_UNLCK, byte);
    fcntl(fd, F_OFD_SETLK, &request);
}

/// Whether another open file holds this byte's lock.
inline bool is_locked(int fd, off_t byte) {
    struct flock request = lock_request(F_WRLCK, byte);
    return fcntl(fd, F_OFD_GETLK, &request) == 0 && request.l_type != F_UNLCK;
}

inline bool same_file(int fd, const std::string& path) {
    struct stat here{}, there{};
    return fstat(fd, &here) == 0 && lstat(path.c_str(), &there) == 0 && here.st_ino == there.st_ino &&
           here.st_dev == there.st_dev;
}

/// Whether nobody owns the file. A young one without magic may be in the making.
inline bool is_stale(int fd) {
    if (is_locked(fd, CREATOR_BYTE))
        return false;
    uint64_t magic = 0;
    if (pread(fd, &magic, sizeof magic, 0) == sizeof magic && magic == MAGIC)
        return true;
    struct stat found{};
    timespec now{};
    if (fstat(fd, &found) != 0 || clock_gettime(CLOCK_REALTIME, &now) != 0)
        return false;
    return double(now.tv_sec - found.st_mtim.tv_sec) + 1e-9 * double(now.tv_nsec - found.st_mtim.tv_nsec) > YOUNG_S;
}

/// Unlinks the file if it is stale. Only who holds the creator lock unlinks.
inline bool reclaim_file(const std::string& path) {
    const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return false;
    const bool gone =
        is_stale(fd) && take_lock(fd, CREATOR_BYTE) && same_file(fd, path) && unlink(path.c_str()) == 0;
    ::close(fd);
    return gone;
}

/// Unlinks all stale caches of a folder; says how many.
inline int reclaim(const std::string& folder = cache_folder()) {
    DIR* const entries = opendir(folder.c_str());
    if (entries == nullptr)
        return 0;
    int count = 0;
    while (const dirent* entry = readdir(entries)) {
        const std::string name = entry->d_name;
        const size_t prefix = std::strlen(PREFIX);
        if (name.compare(0, prefix, PREFIX) == 0 && is_instance(name.substr(prefix)))
            count += reclaim_file(folder + "/" + name);
    }
    closedir(entries);
    return count;
}

/// A new, locked file under a free name, whose bytes are reserved. `problem` is empty, or says what to do.
struct NewFile {
    int fd = -1;
    std::string instance;
    std::string path;
    int64_t pages = 0;
    std::string problem;
};

namespace detail {

inline void claim(NewFile& file, const std::string& folder) {
    for (int n = 0; n < 8; ++n) {
        file.path = folder + "/" + PREFIX + file.instance;
        reclaim_file(file.path);
        file.fd = open(file.path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (file.fd >= 0 && take_lock(file.fd, CREATOR_BYTE) && same_file(file.fd, file.path))
            return;
        if (file.fd < 0 && errno != EEXIST) {
            file.problem = "no timeline cache in " + folder + ": " + std::strerror(errno) + "; set ATTACCA_CACHE_DIR";
            return;
        }
        if (file.fd >= 0)
            ::close(file.fd);
        else
            file.instance = new_instance();
        file.fd = -1;
    }
    file.problem = "no free name for a timeline cache in " + folder + ": set ATTACCA_CACHE_DIR";
}

/// Reserves the bytes, so that a full folder is an error now and no signal later; tries fewer minutes.
inline void allocate(NewFile& file, const std::string& folder, uint32_t rate, double minutes) {
    for (;;) {
        file.pages = pages_for(minutes, rate);
        const size_t total = offsets(uint64_t(file.pages)).total;
        int error = EINTR;
        while (error == EINTR)
            error = posix_fallocate(file.fd, 0, off_t(total));
        if (error == 0)
            return;
        const bool full = error == ENOSPC || error == EFBIG || error == ENOMEM || error == EDQUOT;
        if (!full || ftruncate(file.fd, 0) != 0) {
            file.problem = "no timeline cache in " + folder + ": " + std::strerror(error);
            return;
        }
        if (minutes <= LEAST_MINUTES) {
            file.problem = folder + " has no room for a timeline cache: free " + std::to_string(total / 1048576 + 1) +
                           " MiB there";
            return;
        }
        minutes = minutes / 2 < LEAST_MINUTES ? LEAST_MINUTES : minutes / 2;
    }
}

}  // namespace detail

/// Makes the file of an instance: a stale one of its name is replaced; a taken id gives way to a new one.
inline NewFile create_file(const std::string& instance, uint32_t rate, double minutes, const std::string& folder) {
    NewFile file;
    file.instance = instance;
    if (!is_instance(instance))
        file.problem = "instance id '" + instance.substr(0, 40) + "': use 1 to 32 letters, digits, - or _";
    else if (rate < 8000 || rate > 192000)
        file.problem = "rate " + std::to_string(rate) + " Hz: use 8000 to 192000";
    else if (!(minutes >= 0.01 && minutes <= 360.0))
        file.problem = "minutes of a timeline cache: use 0.01 to 360";
    else
        detail::claim(file, folder);
    if (file.problem.empty())
        detail::allocate(file, folder, rate, minutes);
    if (!file.problem.empty() && file.fd >= 0) {
        if (same_file(file.fd, file.path))
            unlink(file.path.c_str());
        ::close(file.fd);
        file.fd = -1;
    }
    return file;
}

/// Opens an existing cache for reading. -1, and `problem` says what to do.
inline int open_for_reading(const std::string& path, Header& header, std::string& problem) {
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat found{};
    if (fd < 0 || fstat(fd, &found) != 0)
        problem = "no timeline cache at " + path + " (" + std::strerror(errno) + "): is its plugin still loaded?";
    else if (pread(fd, &header, sizeof header, 0) != ssize_t(sizeof header) || header.magic != MAGIC)
        problem = path + " is not a whole timeline cache: wait for its plugin, or remove it";
    else if (header.version != VERSION)
        problem = "the cache has layout " + std::to_string(header.version) + ", this plugin speaks " +
                  std::to_string(VERSION) + ": rebuild the plugin with make plugin";
    else if (header.pages < 1 || header.pages > PROJECT_PAGES || header.channels != CHANNELS ||
             header.total_bytes != offsets(header.pages).total || uint64_t(found.st_size) != header.total_bytes)
        problem = path + " has not the size that its header says: load the plugin anew";
    else
        return fd;
    if (fd >= 0)
        ::close(fd);
    return -1;
}

}  // namespace attacca
