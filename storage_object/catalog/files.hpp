// SPDX-License-Identifier: Apache-2.0
// What SQLite does not do for the file it is given: private modes, durable
// names. Inside this folder only. None of it opens a database file that SQLite
// has open: closing that descriptor would drop SQLite's locks.
#pragma once

#include <cstdint>
#include <string>

#include "storage_object/base/result.hpp"

namespace caisson::catalog {

/// An empty file with mode 0600 whatever the umask; what exists is left alone,
/// except that group and others lose their rights to it. Durable.
Outcome<> make_private(const std::string& path);

/// Takes group's and others' rights; a file that is not there is no error.
Outcome<> tighten(const std::string& path);

Outcome<> sync_file(const std::string& path);
/// Makes the names in the directory that holds `path` durable.
Outcome<> sync_directory_of(const std::string& path);
Outcome<> rename_file(const std::string& from, const std::string& to);
/// What is not there is no error.
Outcome<> remove_file(const std::string& path);
/// Bytes; 0 for what is not there.
std::uint64_t file_size(const std::string& path);
bool file_exists(const std::string& path);

/// The system's last error as a Failure about `path`: "cannot VERB PATH: …".
Failure system_failure(const char* verb, const std::string& path);

}  // namespace caisson::catalog
