// SPDX-License-Identifier: Apache-2.0
#include "tests/support/gateway_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace caisson::tests {
namespace {

constexpr std::chrono::seconds kReadyLimit{60};

struct Pipe {
  Pipe() {
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  }
  ~Pipe() {
    for (auto end : ends)
      if (end >= 0) ::close(end);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  void close_write() { ::close(std::exchange(ends[1], -1)); }
  int ends[2] = {-1, -1};
};

/// Begins a program of ours. It ends when this thread does.
pid_t spawn(const std::vector<std::string>& words, int out, int err) {
  auto program = CAISSON_PROGRAMS "/" + words.front();
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (const auto& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  auto child = ::fork();
  if (child != 0) return child;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(err, STDERR_FILENO);
  ::execv(program.c_str(), arguments.data());
  ::_exit(127);
}

int exit_of(pid_t pid) {
  int status = -1;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::string read_line(int from, std::chrono::steady_clock::time_point until) {
  std::string line;
  while (!line.ends_with('\n')) {
    auto left =
        std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    pollfd ready{from, POLLIN, 0};
    char byte;
    if (left.count() <= 0 || ::poll(&ready, 1, static_cast<int>(left.count())) <= 0 ||
        ::read(from, &byte, 1) != 1)
      break;
    line += byte;
  }
  return line;
}

std::string content(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

GatewayProcess::GatewayProcess(const std::string& store)
    : store_(store.empty() ? (directory_.path() / "store").string() : store) {
  std::filesystem::create_directories(store_);
  std::filesystem::create_directories(images());
  std::ofstream(directory_.path() / "caissond.toml")
      << "import_directories = [\"" << images() << "\"]\n";
  start();
  admit_all();
}

GatewayProcess::~GatewayProcess() {
  if (pid_ >= 0) stop();
}

void GatewayProcess::start() {
  Pipe out;
  auto log =
      ::open((directory_.path() / "log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  pid_ = spawn({"caissond", "--config", directory_.path() / "caissond.toml", "--state", state(),
                "--store", "main=" + store_, "--iscsi", portal_},
               out.ends[1], log);
  ::close(log);
  out.close_write();
  std::istringstream ready(read_line(out.ends[0], std::chrono::steady_clock::now() + kReadyLimit));
  std::string word;
  ready >> word;
  if (word != "ready") {
    ::kill(pid_, SIGKILL);
    exit_of(std::exchange(pid_, -1));
    throw std::runtime_error("caissond does not serve: " + log_tail());
  }
  while (ready >> word)
    if (word.starts_with("iscsi=")) portal_ = word.substr(6);
  connect(state() + "/caisson.sock");
}

void GatewayProcess::kill() {
  disconnect();
  ::kill(pid_, SIGKILL);
  exit_of(std::exchange(pid_, -1));
}

void GatewayProcess::stop() {
  disconnect();
  ::kill(pid_, SIGTERM);
  auto code = exit_of(std::exchange(pid_, -1));
  if (code != 0) ADD_FAILURE() << "caissond ended with " << code << ": " << log_tail();
}

Said GatewayProcess::caisson(const std::vector<std::string>& words) const {
  auto path = [this](const char* name) { return (directory_.path() / name).string(); };
  auto fresh = [](const std::string& where) {
    return ::open(where.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  };
  std::vector<std::string> all{"caisson", "--server", "unix:" + state() + "/caisson.sock"};
  all.insert(all.end(), words.begin(), words.end());
  auto out = fresh(path("out")), err = fresh(path("err"));
  auto pid = spawn(all, out, err);
  ::close(out);
  ::close(err);
  auto code = exit_of(pid);
  return {code, content(path("out")), content(path("err"))};
}

std::string GatewayProcess::log_tail() const {
  auto all = content(directory_.path() / "log");
  return all.size() > 2000 ? all.substr(all.size() - 2000) : all;
}

}  // namespace caisson::tests
