"""The networks that families.py compares: public architectures with random weights, as ONNX files.

Weights come from a fixed seed. Normalisation layers get scales and shifts that are not 1 and 0, and batch norm
collects its statistics from noise, so that activations keep their size to the last layer as in a trained network.
torchvision, timm and ultralytics are imported as yardsticks only; the two networks defined here are our own words
for the papers named beside them.
"""
import sys

import timm
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

SEED = 20261121
FUSED_OPSET = 14      # the first in which the older exporter spells out scaled_dot_product_attention


class UNet(nn.Module):
    """Two levels down and up; one step up by a transposed convolution, one by bilinear resizing.
    Ronneberger, Fischer, Brox: U-Net, 2015."""

    def __init__(self, width=16):
        super().__init__()
        self.down1, self.down2 = self.pair(3, width), self.pair(width, 2 * width)
        self.bottom = self.pair(2 * width, 4 * width)
        self.up2 = nn.ConvTranspose2d(4 * width, 2 * width, 2, stride=2)
        self.join2 = self.pair(4 * width, 2 * width)
        self.join1 = self.pair(3 * width, width)
        self.head = nn.Conv2d(width, 2, 1)

    @staticmethod
    def pair(a, b):
        return nn.Sequential(nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU(),
                             nn.Conv2d(b, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU())

    def forward(self, x):
        a = self.down1(x)
        b = self.down2(F.max_pool2d(a, 2))
        y = self.up2(self.bottom(F.max_pool2d(b, 2)))
        y = self.join2(torch.cat([b, y], 1))
        y = F.interpolate(y, size=a.shape[2:], mode="bilinear", align_corners=False)
        return torch.sigmoid(self.head(self.join1(torch.cat([a, y], 1))))


class ClipBlock(nn.Module):
    fused = True

    def __init__(self, width, heads):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        y = self.norm1(x)
        x = x + self.attention(y, y, y, need_weights=not self.fused)[0]
        y = self.wide(self.norm2(x))
        return x + self.narrow(y * torch.sigmoid(1.702 * y))


class ClipTower(nn.Module):
    """The image half of CLIP: tokens before images in memory, a class token, an embedding of length 1.
    Radford et al.: Learning Transferable Visual Models From Natural Language Supervision, 2021."""

    def __init__(self, width=192, heads=3, layers=4, patch=32, size=224, out=128):
        super().__init__()
        self.patches = nn.Conv2d(3, width, patch, stride=patch, bias=False)
        self.token = nn.Parameter(torch.randn(width))
        self.position = nn.Parameter(torch.randn((size // patch) ** 2 + 1, width))
        self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.blocks = nn.Sequential(*[ClipBlock(width, heads) for _ in range(layers)])
        self.project = nn.Parameter(torch.randn(width, out))

    def forward(self, x):
        x = self.patches(x).flatten(2).permute(0, 2, 1)
        token = self.token + torch.zeros(x.shape[0], 1, x.shape[-1])
        x = self.before(torch.cat([token, x], 1) + self.position).permute(1, 0, 2)
        x = self.after(self.blocks(x).permute(1, 0, 2)[:, 0]) @ self.project
        return x / x.norm(dim=-1, keepdim=True)


class First(nn.Module):
    """One tensor, or the tensors of a dictionary, out of what a network gives."""

    def __init__(self, net, *keys):
        super().__init__()
        self.net, self.keys = net, keys

    def forward(self, x):
        y = self.net(x)
        return tuple(y[k] for k in self.keys) if len(self.keys) > 1 else y[self.keys[0]]


class SsdHeads(nn.Module):
    """The raw scores and offsets, as an export without post-processing has them."""

    def __init__(self, net):
        super().__init__()
        self.backbone, self.head = net.backbone, net.head

    def forward(self, x):
        y = self.head(list(self.backbone(x).values()))
        return y["cls_logits"].softmax(-1), y["bbox_regression"]


class SsdWhole(nn.Module):
    """With decoding and NonMaxSuppression, which torchvision does image by image."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        y = self.net([x[0]])[0]
        return y["boxes"], y["scores"], y["labels"]


def yolo(name):
    from ultralytics import YOLO
    net = YOLO(name).model
    head = net.model[-1]
    head.export, head.format, head.end2end = True, "onnx", "v10" in name
    for branch in head.one2one_cv3 if head.end2end else []:     # scores far enough apart to rank
        nn.init.normal_(branch[-1].weight, 0, 0.1)
        nn.init.normal_(branch[-1].bias, -3, 0.5)
    return net


def ssd():
    return torchvision.models.detection.ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None)


def seg():
    return First(torchvision.models.segmentation.deeplabv3_mobilenet_v3_large(weights=None, weights_backbone=None),
                 "out")


# name -> (how to make it, height, width)
FAMILIES = {
    "resnet18": (torchvision.models.resnet18, 224, 224),
    "resnet50": (torchvision.models.resnet50, 224, 224),
    "mobilenet_v2": (torchvision.models.mobilenet_v2, 224, 224),
    "mobilenet_v3_large": (torchvision.models.mobilenet_v3_large, 224, 224),
    "efficientnet_b0": (torchvision.models.efficientnet_b0, 224, 224),
    "shufflenet_v2": (torchvision.models.shufflenet_v2_x1_0, 224, 224),
    "convnext_tiny": (lambda: timm.create_model("convnext_tiny"), 224, 224),
    "vit_tiny": (lambda: timm.create_model("vit_tiny_patch16_224"), 224, 224),
    "clip_tower": (ClipTower, 224, 224),
    "swin_tiny": (lambda: timm.create_model("swin_tiny_patch4_window7_224"), 224, 224),
    "unet": (UNet, 128, 192),
    "deeplab_v3": (seg, 192, 256),
    "yolov8n": (lambda: yolo("yolov8n.yaml"), 256, 320),
    "yolo11n": (lambda: yolo("yolo11n.yaml"), 256, 320),
    "yolov10n": (lambda: yolo("yolov10n.yaml"), 256, 320),
    "ssd_heads": (lambda: SsdHeads(ssd()), 320, 320),
    "ssd_nms": (lambda: SsdWhole(ssd()), 320, 320),
}

# Their output is a list of [.., rows, columns] in an order that neighbours with the same score may swap.
RANKED = {"yolov10n"}

# Written for one image: with a free batch, the file would look at the first image only.
SINGLE = {"ssd_nms"}

# exporter, opset, batch. Every family is exported by each that the exporter manages.
VARIANTS = [("script", 12, 1), ("script", 13, "N"), ("script", 17, 1), ("dynamo", 18, 1), ("dynamo", 20, "N")]


def spread(net):
    """Parameters that start out as constants get values that show whether they are used."""
    for m in net.modules():
        if isinstance(m, (nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm)) and m.weight is not None:
            nn.init.uniform_(m.weight, 0.7, 1.3)
            nn.init.normal_(m.bias, 0, 0.2)
    for name, p in net.named_parameters():
        if name.endswith(("cls_token", "pos_embed", "relative_position_bias_table")):
            nn.init.normal_(p, 0, 0.5)
        elif name.endswith(("gamma", "layer_scale")):
            nn.init.uniform_(p, 0.1, 0.5)


def collect_statistics(net, height, width):
    """Batch norm's mean and variance, from a forward pass in training mode."""
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    for m in norms:
        m.reset_running_stats()
        m.momentum = None
    body = SsdHeads(net.net) if isinstance(net, SsdWhole) else net
    body.train()
    with torch.no_grad():
        for _ in range(2 if norms else 0):
            body(torch.randn(4, 3, height, width))
    net.eval()


def build(name):
    """The network, ready to export, and one input."""
    torch.manual_seed(SEED)
    make, height, width = FAMILIES[name]
    net = make()
    spread(net)
    collect_statistics(net, height, width)
    for p in net.parameters():
        p.requires_grad_(False)
    return net, torch.randn(1, 3, height, width)


def export(name, variant, path):
    """Writes the ONNX file; raises what the exporter raises."""
    exporter, opset, batch = variant
    ClipBlock.fused = exporter != "script" or opset >= FUSED_OPSET
    timm.layers.set_fused_attn(ClipBlock.fused)
    net, x = build(name)
    if exporter == "script":
        axes = {"x": {0: "N"}} if batch == "N" else None
        torch.onnx.export(net, (x,), path, opset_version=opset, input_names=["x"], dynamic_axes=axes, dynamo=False)
        return
    shapes = ({0: torch.export.Dim("N", min=1, max=64)},) if batch == "N" else None
    torch.onnx.export(net, (x.expand(2, -1, -1, -1).contiguous() if batch == "N" else x,), path, opset_version=opset,
                      input_names=["x"], dynamic_shapes=shapes, dynamo=True, external_data=False, verbose=False)


if __name__ == "__main__":
    _, family, how, version, size, target = sys.argv
    export(family, (how, int(version), size if size == "N" else int(size)), target)
