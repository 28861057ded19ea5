#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "job/job.h"

// Archives that clients send instead of a list of files. Pure functions: nothing is written, and
// what an archive says is believed only as far as it can be checked.
namespace job {

enum class ArchiveFormat { kTar, kTarGz, kZip };

constexpr size_t kMaxArchiveBytes = size_t{16} << 20;   // of its files together
constexpr size_t kMaxArchiveMembers = 4000;             // folders included
constexpr size_t kMaxInflatedBytes = size_t{20} << 20;  // with what tar puts around the files

// Reads the regular files of an archive, in its order, as `files` of a submission would give them:
// their paths have no PathProblem, and none is there twice. Folders are left out, "./" before a
// name is too, and so are modes, owners and times. Returns what is wrong, with the name of the
// member, when there is anything else: links, devices, pipes, sparse or encrypted files, too much.
// What is inflated counts against `budget`, whether the archive turns out to be good or not.
std::optional<std::string> ReadArchive(ArchiveFormat format, std::string_view bytes, size_t* budget,
                                       std::vector<SourceFile>* files);

}  // namespace job
