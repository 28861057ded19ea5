// UTF-8, base64 and what makes text safe for a log line.

#include "base/text.h"

#include "fuzz.h"

FUZZ(text, input) {
  const bool valid = base::IsValidUtf8(input);
  for (size_t max = 0; max <= input.size() + 1 && max < 64; ++max) {
    const std::string_view cut = base::TruncateUtf8(input, max);
    MUST(cut.size() <= max && cut.size() + 3 >= std::min(max, input.size()));
    MUST(cut == input.substr(0, cut.size()));
    MUST(!valid || base::IsValidUtf8(cut));
    MUST(base::IsValidUtf8(base::Printable(input, max)));
  }
  const std::string printable = base::Printable(input, input.size());
  MUST(base::IsValidUtf8(printable));
  for (const char c : printable) {
    MUST(static_cast<unsigned char>(c) >= 0x20 && c != 0x7F && c != '"');
  }
  const std::string encoded = base::Base64Encode(input);
  const auto decoded = base::Base64Decode(encoded);
  MUST(decoded && *decoded == input);
  if (const auto lucky = base::Base64Decode(input)) {
    MUST(lucky->size() <= input.size() / 4 * 3);
  }
}
