package main

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"image"
	"image/color"
	"image/png"
	"io"
	"log"
	"os"
)

func main() {
	picture := image.NewGray(image.Rect(0, 0, 8, 8))
	for i := 0; i < 64; i++ {
		picture.Set(i%8, i/8, color.Gray{Y: uint8(i * 4)})
	}
	var encoded bytes.Buffer
	if err := png.Encode(&encoded, picture); err != nil {
		log.Fatal(err)
	}
	decoded, err := png.Decode(&encoded)
	if err != nil {
		log.Fatal(err)
	}
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	if err := binary.Write(zip, binary.BigEndian, decoded.(*image.Gray).Pix); err != nil {
		log.Fatal(err)
	}
	zip.Close()
	raw, err := gzip.NewReader(&packed)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := io.Copy(os.Stdout, raw); err != nil {
		log.Fatal(err)
	}
}
