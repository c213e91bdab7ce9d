#!/usr/bin/env python3
"""Makes the images of this folder with Pillow 13. `README.md` says what they are."""

from PIL import Image

WIDTH, HEIGHT = 24, 16


def halves(mode, left, right):
    image = Image.new(mode, (WIDTH, HEIGHT), left)
    image.paste(right, (WIDTH // 2, 0, WIDTH, HEIGHT))
    return image


colour = halves("RGB", (200, 40, 40), (40, 80, 220))
grey = halves("L", 60, 190)
colour.save("colour.png")
colour.quantize(4).save("palette.png")
alpha = colour.convert("RGBA")
alpha.putalpha(halves("L", 255, 128))
alpha.save("alpha.png")
grey.save("grey.png")
halves("I;16", 60 * 257, 190 * 257).save("grey16.png")
colour.save("colour.jpg", quality=95, subsampling=0)
colour.save("progressive.jpg", quality=95, subsampling=0, progressive=True)
grey.save("grey.jpg", quality=95)
colour.convert("CMYK").save("cmyk.jpg", quality=95, subsampling=0)
exif = Image.Exif()
exif[0x0112] = 6
colour.transpose(Image.Transpose.ROTATE_90).save("turned.jpg", quality=95, subsampling=0, exif=exif)
colour.save("colour.bmp")
colour.quantize(4).save("palette.bmp")
grey.save("grey.bmp")
colour.save("lossy.webp", quality=95)
colour.save("lossless.webp", lossless=True)
