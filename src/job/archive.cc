#include "job/archive.h"

#include <sys/stat.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "base/text.h"
#include "job/json.h"
#include "job/paths.h"

namespace job {
namespace {

using Problem = std::optional<std::string>;

constexpr size_t kMaxNameShown = 240;
constexpr const char* kInflatesTooMuch =
    "inflates to more than 20971520 bytes, the other archives of a batch included";
static_assert(kMaxInflatedBytes == 20971520, "the text above tells it");
constexpr const char* kTooLarge = "the files must have at most 16777216 bytes together";
static_assert(kMaxArchiveBytes == 16777216, "the text above tells it");

Problem OfMember(std::string_view name, std::string_view problem) {
  return "member \"" + base::Printable(name, kMaxNameShown) + "\" " + std::string(problem);
}

// The files found so far.
class Files {
 public:
  explicit Files(std::vector<SourceFile>* out) : out_(out) {}

  // How much more fits.
  size_t room() const { return kMaxArchiveBytes - bytes_; }

  // Counts every member.
  Problem Count() {
    if (++members_ > kMaxArchiveMembers) {
      return "must have at most " + std::to_string(kMaxArchiveMembers) + " members";
    }
    return std::nullopt;
  }

  Problem Add(std::string_view member, std::string content) {
    std::string_view path = member;
    while (path.starts_with("./")) {
      path.remove_prefix(2);
    }
    if (const auto problem = PathProblem(path)) {
      return OfMember(member, "has a path that " + std::string(*problem));
    }
    if (out_->size() >= kMaxFiles) {
      return "must have at most " + std::to_string(kMaxFiles) + " files";
    }
    if (content.size() > room()) {
      return OfMember(member, std::string("is too large: ") + kTooLarge);
    }
    bytes_ += content.size();
    out_->push_back({std::string(path), std::move(content)});
    return std::nullopt;
  }

 private:
  std::vector<SourceFile>* out_;
  size_t members_ = 0;
  size_t bytes_ = 0;
};

// Inflates `bytes` into at most `most` bytes. `window` is zlib's: what surrounds the data. False
// when the data is broken, ends early, goes on behind its end, or is more. What has come out counts
// against `budget`.
bool Inflate(std::string_view bytes, int window, size_t most, size_t* budget, std::string* out) {
  constexpr size_t kPiece = size_t{64} << 10;
  z_stream stream{};
  if (::inflateInit2(&stream, window) != Z_OK) {
    return false;
  }
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  most = std::min(most, *budget);
  int state = Z_OK;
  bool room = true;
  while (state == Z_OK && room) {
    const size_t have = out->size();
    // One byte more than may be, so that what fits exactly is told from what does not.
    const size_t piece = std::min(kPiece, most + 1 - have);
    out->resize(have + piece);
    stream.next_out = reinterpret_cast<Bytef*>(out->data() + have);
    stream.avail_out = static_cast<uInt>(piece);
    state = ::inflate(&stream, Z_NO_FLUSH);
    out->resize(have + piece - stream.avail_out);
    room = out->size() <= most;
    // Compressors that work in parallel write one gzip file behind another.
    if (state == Z_STREAM_END && window > MAX_WBITS && stream.avail_in > 0 && room) {
      state = ::inflateReset(&stream);
    }
  }
  const bool good = state == Z_STREAM_END && room && stream.avail_in == 0;
  ::inflateEnd(&stream);
  *budget -= std::min(*budget, out->size());
  return good;
}

// ---- tar: blocks of 512 bytes; a header, then the content (POSIX.1-2001 pax, GNU's long names)

constexpr size_t kBlock = 512;
constexpr size_t kMaxExtension = size_t{64} << 10;  // of a header that belongs to the next member

struct Field {
  size_t at;
  size_t size;
};

constexpr Field kName{0, 100};
constexpr Field kSize{124, 12};
constexpr Field kChecksum{148, 8};
constexpr Field kMagic{257, 6};
constexpr Field kPrefix{345, 155};
constexpr size_t kType = 156;

std::string_view TextOf(std::string_view header, Field field) {
  const std::string_view whole = header.substr(field.at, field.size);
  return whole.substr(0, whole.find('\0'));
}

// Octal digits between spaces; nullopt when it is anything else, such as GNU's numbers of 8 GiB and
// more.
std::optional<size_t> NumberOf(std::string_view header, Field field) {
  std::string_view text = TextOf(header, field);
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  text = text.substr(0, text.find(' '));
  size_t number = 0;
  for (const char c : text) {
    if (c < '0' || c > '7') {
      return std::nullopt;
    }
    number = number * 8 + static_cast<size_t>(c - '0');
  }
  return text.empty() ? std::nullopt : std::optional<size_t>(number);
}

bool HasItsChecksum(std::string_view header) {
  size_t sum = 0;
  for (size_t i = 0; i < kBlock; ++i) {
    const bool own = i >= kChecksum.at && i < kChecksum.at + kChecksum.size;
    sum += own ? ' ' : static_cast<unsigned char>(header[i]);
  }
  return NumberOf(header, kChecksum) == sum;
}

// What an extended header says of the next member.
struct Extension {
  std::optional<std::string> path;
  std::optional<size_t> size;
  bool sparse = false;
};

// Records "LENGTH KEY=VALUE\n". False when it is none.
bool ReadPax(std::string_view text, Extension* out) {
  while (!text.empty()) {
    size_t length = 0;
    size_t digits = 0;
    for (; digits < text.size() && digits < 6 && text[digits] >= '0' && text[digits] <= '9';
         ++digits) {
      length = length * 10 + static_cast<size_t>(text[digits] - '0');
    }
    if (digits == 0 || length > text.size() || length < digits + 3 || text[digits] != ' ' ||
        text[length - 1] != '\n') {
      return false;
    }
    const std::string_view record = text.substr(digits + 1, length - digits - 2);
    text.remove_prefix(length);
    const size_t equals = record.find('=');
    if (equals == std::string_view::npos) {
      return false;
    }
    const std::string_view key = record.substr(0, equals);
    const std::string_view value = record.substr(equals + 1);
    if (key == "path") {
      out->path = value;
    } else if (key == "size") {
      size_t size = 0;
      for (const char c : value) {
        if (c < '0' || c > '9' || size > kMaxInflatedBytes) {
          return false;
        }
        size = size * 10 + static_cast<size_t>(c - '0');
      }
      out->size = size;
    } else if (key.starts_with("GNU.sparse.")) {
      out->sparse = true;
    }
  }
  return true;
}

std::string NameOf(std::string_view header, const Extension& extension) {
  if (extension.path) {
    return *extension.path;
  }
  const std::string name(TextOf(header, kName));
  // GNU's format has other things where this prefix would be.
  const std::string_view prefix =
      header.substr(kMagic.at, kMagic.size) == std::string_view("ustar\0", 6)
          ? TextOf(header, kPrefix)
          : std::string_view();
  return prefix.empty() ? name : std::string(prefix) + "/" + name;
}

const char* KindProblem(char type) {
  switch (type) {
    case '1':
    case '2':
      return "is a link: only files and folders are taken";
    case '3':
    case '4':
    case '6':
      return "is a device or a pipe: only files and folders are taken";
    default:
      return "is of a kind that is not taken: only files and folders are";
  }
}

Problem ReadTar(std::string_view tar, Files* files) {
  Extension extension;
  for (size_t number = 1; !tar.empty(); ++number) {
    if (tar.size() < kBlock) {
      return "ends within a header";
    }
    const std::string_view header = tar.substr(0, kBlock);
    tar.remove_prefix(kBlock);
    if (std::all_of(header.begin(), header.end(), [](char c) { return c == '\0'; })) {
      return std::nullopt;  // the end; what follows fills the last record
    }
    if (!HasItsChecksum(header)) {
      return "is no tar archive: the header of member " + std::to_string(number) + " is broken";
    }
    if (Problem problem = files->Count()) {
      return problem;
    }
    const char type = header[kType];
    const bool extends = type == 'x' || type == 'g' || type == 'L' || type == 'K';
    const std::string name = NameOf(header, extends ? Extension{} : extension);
    std::optional<size_t> size = NumberOf(header, kSize);
    if (!extends && extension.size) {
      size = extension.size;
    }
    if (!size || *size > tar.size()) {
      return OfMember(name, "is larger than the archive");
    }
    const std::string_view content = tar.substr(0, *size);
    tar.remove_prefix(std::min(tar.size(), (*size + kBlock - 1) / kBlock * kBlock));
    if (extends) {
      if (content.size() > kMaxExtension || (type == 'x' && !ReadPax(content, &extension))) {
        return OfMember(name, "is no extended header that can be read");
      }
      if (type == 'L') {
        extension.path = content.substr(0, content.find('\0'));
      }
      continue;  // global headers and names of links say nothing that is used
    }
    const bool sparse = std::exchange(extension, {}).sparse;
    const bool folder = type == '5' || (type == '\0' && name.ends_with('/'));
    if (folder) {
      continue;
    }
    if (sparse || (type != '0' && type != '\0' && type != '7')) {
      return OfMember(name, KindProblem(sparse ? 'S' : type));
    }
    if (content.size() > files->room()) {
      return OfMember(name, std::string("is too large: ") + kTooLarge);
    }
    if (Problem problem = files->Add(name, std::string(content))) {
      return problem;
    }
  }
  return std::nullopt;
}

// ---- zip: what the directory at the end names (APPNOTE.TXT 6.3)

constexpr uint32_t kEndMagic = 0x06054b50;
constexpr uint32_t kEntryMagic = 0x02014b50;
constexpr uint32_t kLocalMagic = 0x04034b50;
constexpr size_t kEndSize = 22;
constexpr size_t kEntrySize = 46;
constexpr size_t kLocalSize = 30;

// A little-endian number. REQUIRES: it is there.
size_t Number(std::string_view bytes, size_t at, size_t size) {
  size_t number = 0;
  for (size_t i = size; i > 0; --i) {
    number = number << 8 | static_cast<unsigned char>(bytes[at + i - 1]);
  }
  return number;
}

// Where the end record is: the last one whose comment reaches to the end of the archive.
std::optional<size_t> FindEnd(std::string_view zip) {
  if (zip.size() < kEndSize) {
    return std::nullopt;
  }
  const size_t last = zip.size() - kEndSize;
  for (size_t back = 0; back <= std::min<size_t>(last, 0xFFFF); ++back) {
    const size_t at = last - back;
    if (Number(zip, at, 4) == kEndMagic && Number(zip, at + 20, 2) == back) {
      return at;
    }
  }
  return std::nullopt;
}

// The bytes of the member that `entry`, of the directory, describes; nullopt when they are not
// where it says.
std::optional<std::string_view> DataOf(std::string_view zip, std::string_view entry,
                                       std::string_view name) {
  const size_t at = Number(entry, 42, 4);
  const size_t size = Number(entry, 20, 4);
  if (at > zip.size() || zip.size() - at < kLocalSize || Number(zip, at, 4) != kLocalMagic) {
    return std::nullopt;
  }
  const size_t name_size = Number(zip, at + 26, 2);
  const size_t from = at + kLocalSize + name_size + Number(zip, at + 28, 2);
  if (from > zip.size() || zip.size() - from < size ||
      zip.substr(at + kLocalSize, name_size) != name) {
    return std::nullopt;
  }
  return zip.substr(from, size);
}

Problem ReadEntry(std::string_view zip, std::string_view entry, std::string_view name,
                  size_t* budget, Files* files) {
  constexpr size_t kEncrypted = 1;
  constexpr std::array<size_t, 2> kUnix = {3, 19};  // systems whose modes these are
  const size_t mode = Number(entry, 38, 4) >> 16;
  const bool has_mode = std::find(kUnix.begin(), kUnix.end(), Number(entry, 5, 1)) != kUnix.end() &&
                        (mode & S_IFMT) != 0;
  if (has_mode && !S_ISREG(mode) && !S_ISDIR(mode)) {
    return OfMember(name, KindProblem(S_ISLNK(mode) ? '2' : '3'));
  }
  if (name.ends_with('/')) {
    return std::nullopt;
  }
  if (has_mode && S_ISDIR(mode)) {
    return OfMember(name, "is a folder and a file at once");
  }
  if ((Number(entry, 8, 2) & kEncrypted) != 0) {
    return OfMember(name, "is encrypted");
  }
  const auto data = DataOf(zip, entry, name);
  if (!data) {
    return OfMember(name, "is not where the directory of the archive says");
  }
  const size_t size = Number(entry, 24, 4);
  if (size > files->room()) {
    return OfMember(name, std::string("is too large: ") + kTooLarge);
  }
  if (size > *budget) {
    return kInflatesTooMuch;
  }
  std::string content;
  const size_t method = Number(entry, 10, 2);
  if (method == 0) {
    content = *data;
  } else if (method != Z_DEFLATED) {
    return OfMember(name, "is compressed in a way that is not taken: only deflate is");
  } else if (!Inflate(*data, -MAX_WBITS, size, budget, &content)) {
    return OfMember(name, "is broken");
  }
  const uLong checksum =
      ::crc32(0, reinterpret_cast<const Bytef*>(content.data()), static_cast<uInt>(content.size()));
  if (content.size() != size || checksum != Number(entry, 16, 4)) {
    return OfMember(name, "is broken");
  }
  return files->Add(name, std::move(content));
}

Problem ReadZip(std::string_view zip, size_t* budget, Files* files) {
  const auto end = FindEnd(zip);
  if (!end) {
    return "is no zip archive";
  }
  const size_t count = Number(zip, *end + 10, 2);
  const size_t size = Number(zip, *end + 12, 4);
  const size_t from = Number(zip, *end + 16, 4);
  if (Number(zip, *end + 4, 4) != 0 || Number(zip, *end + 8, 2) != count || from > *end ||
      *end - from < size) {
    return "is a zip archive of several parts, a zip64 one, or broken";
  }
  std::string_view directory = zip.substr(from, size);
  for (size_t i = 0; i < count; ++i) {
    if (Problem problem = files->Count()) {
      return problem;
    }
    if (directory.size() < kEntrySize || Number(directory, 0, 4) != kEntryMagic) {
      return "has a broken directory";
    }
    const size_t name_size = Number(directory, 28, 2);
    const size_t whole =
        kEntrySize + name_size + Number(directory, 30, 2) + Number(directory, 32, 2);
    if (directory.size() < whole) {
      return "has a broken directory";
    }
    const std::string_view name = directory.substr(kEntrySize, name_size);
    if (Problem problem = ReadEntry(zip, directory.substr(0, whole), name, budget, files)) {
      return problem;
    }
    directory.remove_prefix(whole);
  }
  return std::nullopt;
}

Problem ReadFormat(ArchiveFormat format, std::string_view bytes, size_t* budget, Files* files) {
  if (format == ArchiveFormat::kZip) {
    return ReadZip(bytes, budget, files);
  }
  if (format == ArchiveFormat::kTar) {
    return ReadTar(bytes, files);
  }
  std::string tar;
  if (!Inflate(bytes, MAX_WBITS + 16, kMaxInflatedBytes, budget, &tar)) {
    return *budget == 0 ? kInflatesTooMuch : "is no whole gzip file";
  }
  return ReadTar(tar, files);
}

}  // namespace

std::optional<std::string> ReadArchive(ArchiveFormat format, std::string_view bytes, size_t* budget,
                                       std::vector<SourceFile>* files) {
  Files found(files);
  if (Problem problem = ReadFormat(format, bytes, budget, &found)) {
    return problem;
  }
  std::vector<std::string_view> paths;
  for (const SourceFile& file : *files) {
    paths.push_back(file.path);
  }
  if (const auto conflict = FindPathConflict(paths)) {
    return OfMember(paths[*conflict],
                    "is there twice, or would have to be a file and a folder at once");
  }
  return std::nullopt;
}

}  // namespace job
