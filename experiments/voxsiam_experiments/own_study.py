"""A study of my own: which network, and does the feature loss help?

Run:     voxsiam study run my_study.py --preset tiny                   (phantoms, minutes)
Then:    voxsiam study run my_study.py --preset paper --data PREPARED  (--dry-run: the cost)
Go on:   voxsiam study resume my_study;  report, verify, compare, rerun take the name, too

The file is run once, when its name stands on the command line. What counts afterwards are the rows
as they were resolved then: they are sealed with the study, which needs this file no more.
"""

from voxsiam_experiments import Row, SimSiamConfig, Table, unet3d, vnet, voxel_simsiam

# A recipe holds every setting of a training; with_changes(...) returns another one.
WIDE_HEADS = SimSiamConfig(hidden_dim=128)

TABLE = Table(
    name="my_study",
    title="Which network, and does the feature loss help?",
    rows=(
        Row(label="3D U-Net", recipe=unet3d(), compared_with="3D U-Net"),
        Row(label="VNet", recipe=vnet(), compared_with="3D U-Net"),
        # The voxel SimSiam loss on three levels of the encoder, and with wider heads.
        Row(label="SimSiam", recipe=voxel_simsiam(layers=3), compared_with="3D U-Net"),
        Row(
            label="SimSiam, wide heads",
            recipe=voxel_simsiam(layers=3, relation=WIDE_HEADS),
            # The row that this one is tested against, patient by patient and seed by seed.
            compared_with="SimSiam",
            # label_fraction=0.5 would show it half of the training cases.
        ),
    ),
    footnotes=("What a reader of the report must know stands here.",),
)
