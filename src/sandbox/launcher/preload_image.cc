#include "sandbox/launcher/preload_image.h"

asm(R"(
  .section .rodata
  .balign 16
  .global kPreloadImage
kPreloadImage:
  .incbin ")" PRELOAD_LIBRARY_PATH R"("
kPreloadEnd:
  .balign 8
  .global kPreloadSize
kPreloadSize:
  .quad kPreloadEnd - kPreloadImage
  .text
)");
