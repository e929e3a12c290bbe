"""Words that the bundled tokenizer keeps whole beside those of the generated world.

The bundled model was not taught them; a whole word is still the better piece for whoever trains
it further, and it keeps ordinary phrases within the context length.
"""

from __future__ import annotations

from ovseg_annotate.datasets.scenes.words import all_phrases

_GRAMMAR = """
a an the of on in at by with without and or not no is are to from for under over above below behind
near next left right top bottom middle front side between inside outside around this that these
those it its one two three four five six many some few more most other another any all each
photo picture image drawing painting scene view close up blurry sharp bad good clean empty full
"""

_LOOKS = """
small large big tiny huge long short thin thick wide narrow round flat curved straight bright dark
light pale deep dull shiny matte smooth rough soft hard dense sparse wet dry warm cold old new open
closed broken whole pointed blunt irregular regular elongated hollow solid transparent colored
color colour coloured grey silver gold magenta maroon navy olive teal beige indigo lavender
mosaic wavy zigzag grid mesh spots dots lines stripes checks pattern patterned texture textured
"""

_THINGS = """
 person people man woman child face head hair eye arm leg foot animal dog cat horse cow sheep pig
elephant bear zebra giraffe lion tiger mouse rat rabbit duck chicken insect bee ant spider snake
frog plant bush branch root stem fruit vegetable banana lemon grape berry tomato potato carrot
bread food cake plate bowl glass fork knife spoon pan table chair sofa bed desk shelf cabinet door
window wall floor ceiling roof stair stairs fence gate bridge tower building church castle city
town village sidewalk pavement path track field forest hill mountain river lake ocean coast cliff
soil earth ground dirt mud gravel ice rain fog smoke fire sun moon earth planet wheel bicycle bike
motorcycle bus truck van train plane airplane helicopter ship engine traffic sign pole wire cable
pipe tool hammer nail screw needle thread rope chain ball toy doll book paper pen pencil letter
text number clock watch phone computer screen keyboard camera television radio bag hat shoe shirt
coat dress glove coin money map flag kite box basket barrel bucket can jar tube mirror curtain
carpet pillow candle metal plastic rubber leather cotton wool concrete marble tile gravel straw
hay moss skin bone shell
"""

_MICROSCOPY = """
microscopy microscope micrograph fluorescence fluorescent brightfield phase contrast stain stained
staining hematoxylin eosin dapi slide sample specimen section tissue organ organoid culture colony
cell cells cellular nucleus nuclei nucleolus cytoplasm membrane mitochondria mitochondrion vesicle
vacuole lysosome golgi ribosome chromosome chromatin spindle cytoskeleton actin tubulin microtubule
fiber fibers filament filaments axon dendrite neuron neurons glia synapse astrocyte epithelium
epithelial gland vessel vessels artery vein capillary muscle fat lipid droplet droplets collagen
stroma tumor tumour cancer lesion necrosis mitosis mitotic dividing apoptotic dead living lymphocyte
lymphocytes leukocyte erythrocyte blood red platelet macrophage fibroblast stem yeast fungus spore
spores hypha bacteria bacterium bacterial rod rods coccus virus parasite worm embryo egg sperm
pollen algae diatom crystal crystals particle particles bead beads bubble bubbles debris dust dirt
scratch artifact artefact background foreground noise focus unfocused edge border boundary outline
region area center centre core rim lumen hole holes gap crack pore pores grain grains layer layers
"""


def tokenizer_words() -> tuple[str, ...]:
    """Every word and synonym of the generated world, and the common words above."""
    common = " ".join((_GRAMMAR, _LOOKS, _THINGS, _MICROSCOPY)).split()
    return tuple(dict.fromkeys((*all_phrases(), *common)))
