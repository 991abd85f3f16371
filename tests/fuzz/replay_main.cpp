// SPDX-License-Identifier: Apache-2.0
// Runs a harness over the files named, or all files of the folders named, in
// builds without libFuzzer: the corpora as plain regression tests. A broken
// invariant ends the process; the last name printed is the input's.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "storage_object/base/log.hpp"
#include "tests/fuzz/input.hpp"

namespace {

namespace fs = std::filesystem;

void collect(const fs::path& path, std::vector<fs::path>& files) {
  if (!fs::is_directory(path)) return files.push_back(path);
  for (const auto& entry : fs::directory_iterator(path))
    if (entry.is_regular_file()) files.push_back(entry.path());
}

void replay(const fs::path& file) {
  std::printf("%s\n", file.c_str());
  std::fflush(stdout);
  std::ifstream stream(file, std::ios::binary);
  caisson::fuzz::require(stream.good(), "the input can be read");
  std::vector<std::uint8_t> bytes{std::istreambuf_iterator<char>(stream), {}};
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<fs::path> files;
  for (int i = 1; i < argc; ++i) collect(argv[i], files);
  std::ranges::sort(files);
  for (const auto& file : files) replay(file);
  std::printf("%zu inputs\n", files.size());
  return files.empty() ? 1 : 0;
}
