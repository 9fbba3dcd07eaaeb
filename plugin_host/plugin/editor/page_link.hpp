// Where the engine's control page is: a line in a file of this user's, beside the caches, as long as the page is served.
//
// Threading: the host's thread for windows. Reads one small file; opening the browser forks once and waits for nothing.
#pragma once
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "../timeline_file.hpp"

namespace attacca {

inline std::string page_file(const std::string& folder = cache_folder()) {
    return folder + "/attacca." + std::to_string(getuid()) + ".page";
}

// The page's address, or "": no file, not ours alone, or not a page on this machine.
inline std::string page_address(const std::string& path = page_file()) {
    const int file = open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (file < 0) return "";
    struct stat facts {};
    char text[512];
    ssize_t count = 0;
    const bool own = fstat(file, &facts) == 0 && facts.st_uid == getuid() && (facts.st_mode & 077) == 0;
    if (own && S_ISREG(facts.st_mode)) count = read(file, text, sizeof text - 1);
    ::close(file);
    std::string address(text, count > 0 ? size_t(count) : 0);
    address.erase(std::min(address.find('\n'), address.size()));
    const bool local = address.rfind("http://127.0.0.1:", 0) == 0 || address.rfind("http://localhost:", 0) == 0;
    return local ? address : "";
}

// Hands the address to the desktop's own opener ($BROWSER, else xdg-open). Twice forked, so that nobody has to wait for it.
inline void open_address(const std::string& address) {
    const char* const chosen = std::getenv("BROWSER");
    const std::string opener = chosen != nullptr && chosen[0] != '\0' ? chosen : "xdg-open";
    const pid_t child = fork();
    if (child == 0) {
        if (fork() == 0) {
            execlp(opener.c_str(), opener.c_str(), address.c_str(), static_cast<char*>(nullptr));
            _exit(127);
        }
        _exit(0);
    }
    if (child > 0) waitpid(child, nullptr, 0);
}

}  // namespace attacca
